//! What may be returned: a value that can be written, and read back as the same type by another process.

use proc_macro2::TokenStream;
use quote::ToTokens as _;
use syn::{GenericArgument, Path, PathArguments, ReturnType, Type, TypeParam, TypeReference};

use crate::borrows;
use crate::errors::Errors;
use crate::names::Names;
use crate::target::{Target, word};

/// Refuses what no bound could: nothing, a type without a name; and what borrows, of which the bound would say little.
pub(crate) fn returned_type(target: &Target, errors: &mut Errors) {
    let Some(output) = target.output() else {
        if matches!(target.sig.output, ReturnType::Default) {
            let name = &target.sig.ident;
            errors.at(name, format!("`{name}` returns nothing that could be cached: give it a return type"));
        }
        return;
    };
    if let Some(opaque) = value_of(output).into_iter().find(|token| token.to_string() == "impl") {
        let message = if Names::of(output).has("Stream") {
            "a stream has no value before its end: collect it, and return a `Vec`"
        } else {
            "a cached value is read back as its type, so the type needs a name: write it instead of `impl`"
        };
        errors.at(opaque, message);
    } else if let Some(reference) = borrow(output) {
        let owned = owned(&reference.elem);
        let message = format!("a value that is read back from a cache borrows from nothing: return {owned}");
        errors.at(reference, message);
    }
}

/// The return type without its last argument, where it has two: an error is never read back.
fn value_of(output: &Type) -> TokenStream {
    match output {
        Type::Path(path) => match arguments(&path.path).as_slice() {
            [value, _] => value.to_token_stream(),
            _ => output.to_token_stream(),
        },
        _ => output.to_token_stream(),
    }
}

/// Whether callers of one run may not get copies of its error: it borrows, or is a type parameter that may. Bounds do not
/// tell which does, since rustc looks at lifetimes last.
pub(crate) fn is_unshared(target: &Target) -> bool {
    let Some(output) = target.output() else { return false };
    let error = match output {
        Type::Path(path) => arguments(&path.path).get(1).copied().unwrap_or(output),
        _ => output,
    };
    let names = Names::of(error);
    let is_named = |param: &TypeParam| names.has(&word(&param.ident));
    borrows::without(error).is_some() || target.sig.generics.type_params().any(is_named)
}

/// A reference that is a part of the value.
fn borrow(value: &Type) -> Option<&TypeReference> {
    match value {
        Type::Reference(reference) => Some(reference),
        Type::Paren(paren) => borrow(&paren.elem),
        Type::Group(group) => borrow(&group.elem),
        Type::Array(array) => borrow(&array.elem),
        Type::Tuple(tuple) => tuple.elems.iter().find_map(borrow),
        Type::Path(path) => {
            let is = |name: &str| path.path.segments.last().is_some_and(|last| last.ident == name);
            let arguments = arguments(&path.path);
            let values = arguments.len() - usize::from(is("Result") && arguments.len() == 2);
            let mut values = arguments.into_iter().take(values);
            if is("PhantomData") { None } else { values.find_map(borrow) }
        }
        _ => None,
    }
}

fn arguments(path: &Path) -> Vec<&Type> {
    let Some(PathArguments::AngleBracketed(arguments)) = path.segments.last().map(|last| &last.arguments) else {
        return Vec::new();
    };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(argument) => Some(argument),
        _ => None,
    });
    types.collect()
}

/// The owned form of what is borrowed.
fn owned(borrowed: &Type) -> String {
    match borrowed {
        Type::Slice(_) => "a `Vec`".to_owned(),
        Type::Path(path) if path.path.is_ident("str") => "a `String`".to_owned(),
        Type::Path(path) => {
            path.path.segments.last().map_or_else(String::new, |last| format!("the `{}` itself", last.ident))
        }
        _ => "an owned value".to_owned(),
    }
}
