//! `#[derive(KeyPart)]`: all fields tell the values of a type apart, and so do the names of variants.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Fields, GenericParam, Index, Path, parse_quote};

use crate::errors::Errors;

/// The implementation.
///
/// Input:  `enum Page { First, Numbered(u32) }`
/// Output:
/// ```text
/// impl KeyPart for Page {
///     fn write_key(&self, key: &mut KeyWriter<'_>) {
///         match self {
///             Self::First => { key.text("First"); }
///             Self::Numbered(f0) => { key.text("Numbered"); key.parts(&[f0]); }
///         }
///     }
/// }
/// ```
pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let mut errors = Errors::default();
    let runtime = runtime(&input.attrs, &mut errors);
    let body = body(&input.data, &mut errors);
    if !errors.is_empty() {
        return errors.into_tokens();
    }
    let mut generics = input.generics.clone();
    for param in &mut generics.params {
        if let GenericParam::Type(param) = param {
            param.bounds.push(parse_quote!(#runtime::KeyPart));
        }
    }
    let (name, (bounded, given, where_clause)) = (&input.ident, generics.split_for_impl());
    quote_spanned! {Span::mixed_site()=>
        #[automatically_derived]
        impl #bounded #runtime::KeyPart for #name #given #where_clause {
            fn write_key(&self, key: &mut #runtime::KeyWriter<'_>) {
                #body
            }
        }
    }
}

fn body(data: &Data, errors: &mut Errors) -> TokenStream {
    let site = Span::mixed_site();
    let key = Ident::new("key", site);
    match data {
        Data::Struct(data) => {
            let values = members(&data.fields).map(|(name, span)| quote_spanned!(span=> &self.#name));
            match &values.collect::<Vec<_>>()[..] {
                // A newtype is written as what it wraps.
                [only] => quote_spanned!(site=> #key.part(#only);),
                all => quote_spanned!(site=> #key.parts(&[#(#all),*]);),
            }
        }
        Data::Enum(data) if data.variants.is_empty() => quote_spanned!(site=> match *self {}),
        Data::Enum(data) => {
            let arms = data.variants.iter().map(|variant| {
                let (name, text) = (&variant.ident, variant.ident.to_string());
                let (members, spans): (Vec<_>, Vec<_>) = members(&variant.fields).unzip();
                let bound: Vec<_> =
                    spans.iter().enumerate().map(|(n, span)| format_ident!("f{n}", span = *span)).collect();
                let fields = (!bound.is_empty()).then(|| quote_spanned!(site=> #key.parts(&[#(#bound),*]);));
                quote_spanned!(site=> Self::#name { #(#members: #bound),* } => { #key.text(#text); #fields })
            });
            quote_spanned!(site=> match self { #(#arms)* })
        }
        Data::Union(data) => {
            let why = "a union does not know which of its fields it holds: implement `KeyPart` by hand";
            errors.at(data.union_token, why);
            TokenStream::new()
        }
    }
}

/// How each field is reached, and its type's place, where errors about it are reported.
fn members(fields: &Fields) -> impl Iterator<Item = (TokenStream, Span)> {
    fields.iter().enumerate().map(|(index, field)| {
        let name =
            field.ident.as_ref().map_or_else(|| Index::from(index).into_token_stream(), ToTokens::to_token_stream);
        (name, Span::mixed_site().located_at(field.ty.span()))
    })
}

/// `#[key_part(crate = path)]`: where the runtime is, when it is renamed or re-exported.
fn runtime(attrs: &[Attribute], errors: &mut Errors) -> Path {
    let mut path = parse_quote!(::cache_runtime);
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("key_part")) {
        let parsed = attr.parse_nested_meta(|meta| {
            if meta.path.is_ident("crate") {
                path = meta.value()?.call(Path::parse_mod_style)?;
                return Ok(());
            }
            Err(meta.error("unknown argument: `key_part` takes `crate = path`"))
        });
        if let Err(error) = parsed {
            errors.add(error);
        }
    }
    path
}
