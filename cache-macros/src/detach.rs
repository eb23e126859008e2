//! Bodies that run in a task of their own: such a task outlives the call, so it holds copies of what the function
//! borrows.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::spanned::Spanned as _;
use syn::{Attribute, FnArg, Pat, PatIdent, PatType, Receiver, ReceiverKind, Type};

use crate::args::Args;
use crate::borrows::{self, text};
use crate::errors::Errors;
use crate::names::Names;
use crate::own_self::{OWN_SELF, rename_self};
use crate::target::{Target, conditions, each_name, word};

/// A reference that the body gets a copy for.
pub(crate) struct Copied {
    pub(crate) name: Ident,
    /// The name that the body has for it.
    pub(crate) inside: Ident,
    pub(crate) is_mut: bool,
    /// The type that has to be one that can be copied.
    pub(crate) ty: Span,
    /// Each `#[cfg(…)]` of the parameter.
    pub(crate) conditions: Vec<Attribute>,
}

/// Finds what is to be copied, refuses what cannot be, and renames `self` in the statements where it is.
pub(crate) fn detach(args: &Args, target: &mut Target, errors: &mut Errors) -> Option<Vec<Copied>> {
    let mut detaching = Detaching { by: args.detached_by()?.clone(), copies: Vec::new(), errors };
    detaching.receiver(target);
    let used = used(target);
    for input in &mut target.sig.inputs {
        if let FnArg::Typed(typed) = input {
            detaching.parameter(typed, &used);
        }
    }
    Some(detaching.copies)
}

struct Detaching<'e> {
    by: Ident,
    copies: Vec<Copied>,
    errors: &'e mut Errors,
}

impl Detaching<'_> {
    /// Input:  `&self` and `self.load(id).await`
    /// Output: a copy, and `__self.load(id).await`
    fn receiver(&mut self, target: &mut Target) {
        let Some(FnArg::Receiver(receiver)) = target.sig.inputs.first() else { return };
        let holds = Holds::of_receiver(receiver);
        if let Holds::Owned = holds {
            return;
        }
        let renamed = rename_self(target.body.clone());
        if !renamed.is_found {
            return;
        }
        for text in renamed.in_texts {
            let cure = "make `self` an argument of the macro, as in `format!(\"{}\", self)`";
            let message = format!("`{}` gives the body a copy of `self`, which a text cannot name: {cure}", self.by);
            self.errors.at(text, message);
        }
        if let Holds::Shared(ty) = holds {
            let name = Ident::from(receiver.self_token);
            let inside = Ident::new(OWN_SELF, name.span());
            self.copies.push(Copied { name, inside, is_mut: false, ty, conditions: Vec::new() });
            target.body = renamed.statements;
        } else {
            let message = format!("cannot hold `{}`: take `&self`", text(receiver));
            self.refuse(receiver, &message);
        }
    }

    fn parameter(&mut self, typed: &mut PatType, used: &Names) {
        let mut names = Vec::new();
        each_name(&mut typed.pat.clone(), &mut |pat| {
            if let Pat::Ident(name) = pat {
                names.push(name.clone());
            }
        });
        names.retain(|name| used.has(&word(&name.ident)));
        let Some(name) = names.first() else { return };
        let word = word(&name.ident);
        if let Some(by_ref) = names.iter().find_map(|name| name.by_ref) {
            return self.refuse(by_ref, &format!("cannot hold what a `ref` borrows: write `{word}` without it"));
        }
        match Holds::of(&typed.ty) {
            Holds::Owned => {}
            Holds::Mutable => self.refuse(&typed.ty, &format!("cannot hold `&mut {word}`: take it by value")),
            Holds::Borrows(owned) => {
                let owned = format!("{}: {}", text(&typed.pat), text(owned));
                self.refuse(&typed.ty, &format!("cannot borrow: write `{owned}`"));
            }
            Holds::Shared(ty) => {
                let conditions: Vec<_> = conditions(&typed.attrs).into_iter().cloned().collect();
                self.shared(&mut typed.pat, names, ty, &conditions);
            }
        }
    }

    /// A parameter of type `&T`: its name is a reference, and so is each name of a pattern that does not begin with `&`.
    fn shared(&mut self, pat: &mut Pat, names: Vec<PatIdent>, ty: Span, conditions: &[Attribute]) {
        let conditions = conditions.to_vec();
        match pat {
            Pat::Ident(name) if name.subpat.is_none() => {
                let is_mut = name.mutability.take().is_some();
                let name = name.ident.clone();
                self.copies.push(Copied { inside: name.clone(), name, is_mut, ty, conditions });
            }
            // What such a pattern binds are copies already.
            Pat::Reference(_) => {}
            _ => self.copies.extend(names.into_iter().filter(|name| name.mutability.is_none()).map(|name| Copied {
                ty: name.ident.span(),
                inside: name.ident.clone(),
                is_mut: false,
                name: name.ident,
                conditions: conditions.clone(),
            })),
        }
    }

    fn refuse(&mut self, at: impl ToTokens, why: &str) {
        let by = &self.by;
        self.errors.at(at, format!("`{by}` runs the body in its own task, which {why}, or leave `{by}` out"));
    }
}

/// What a parameter's type holds, as far as it says.
enum Holds {
    Owned,
    /// `&T`, and where `T` is.
    Shared(Span),
    Mutable,
    /// A borrow elsewhere than as `&T`, and the type without it.
    Borrows(TokenStream),
}

impl Holds {
    fn of_receiver(receiver: &Receiver) -> Self {
        match &receiver.kind {
            ReceiverKind::Reference(_, _, Some(_)) => Self::Mutable,
            ReceiverKind::Reference(..) => Self::Shared(receiver.self_token.span),
            ReceiverKind::Typed(_, ty) => Self::of(ty),
            _ => Self::Owned,
        }
    }

    fn of(ty: &Type) -> Self {
        match ty {
            Type::Group(group) => Self::of(&group.elem),
            Type::Paren(paren) => Self::of(&paren.elem),
            Type::Reference(reference) => match &reference.lifetime {
                Some(lifetime) if lifetime.ident == "static" => Self::Owned,
                _ if reference.mutability.is_some() => Self::Mutable,
                _ => borrows::without(&reference.elem)
                    .map_or_else(|| Self::Shared(place(&reference.elem)), |owned| Self::Borrows(quote!(&#owned))),
            },
            other => borrows::without(other).map_or(Self::Owned, Self::Borrows),
        }
    }
}

/// The one token that stands for a type: the last name of a path, or else its beginning.
fn place(ty: &Type) -> Span {
    match ty {
        Type::Path(path) => path.path.segments.last().map_or_else(|| ty.span(), |last| last.ident.span()),
        other => other.span(),
    }
}

/// The names that the body has from the parameters.
fn used(target: &Target) -> Names {
    let mut used = Names::of(&target.body);
    used.add_from_texts(&target.body);
    if let Some(returned) = &target.returned {
        for name in declared(&returned.before) {
            used.0.remove(&name);
        }
    }
    used
}

/// The names that statements declare, which hide the parameters of these names.
fn declared(statements: &TokenStream) -> Vec<String> {
    let mut is_pattern = false;
    let mut declared = Names::default();
    for token in statements.clone() {
        match &token {
            TokenTree::Ident(word) if word == "let" => is_pattern = true,
            TokenTree::Punct(mark) if matches!(mark.as_char(), '=' | ':' | ';') => is_pattern = false,
            _ if is_pattern => declared.add(token.to_token_stream()),
            _ => {}
        }
    }
    declared.0.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detached(function: &str) -> (Vec<String>, Vec<String>) {
        let mut errors = Errors::default();
        let args = Args::parse(quote!(detach = true), &mut errors);
        let mut target: Target = syn::parse_str(function).unwrap();
        let copies = detach(&args, &mut target, &mut errors).unwrap();
        let errors = errors.into_tokens().to_string();
        let refused = errors.split("cannot ").skip(1).map(|why| why.split([':', ',']).next().unwrap().to_owned());
        (copies.iter().map(|copied| copied.name.to_string()).collect(), refused.collect())
    }

    #[test]
    fn borrowed_parameters_that_the_body_uses_are_copied() {
        for (function, expected) in [
            (
                "async fn f(&self, db: &Db, id: u64, name: &'static str) { self.load(db, id, name) }",
                &["self", "db"][..],
            ),
            ("async fn f(self: Arc<Self>, db: Option<Arc<Db>>) { self.load(db) }", &[]),
            ("async fn f(self: &Arc<Self>, mut db: &Db) { format!(\"{db}\", x = self.0) }", &["self", "db"]),
            ("async fn f(&self, db: &Db, _: &mut Db, other: &mut Db) { 7 }", &[]),
            (
                "async fn f(&(a, b): &(u8, u8), User { c, .. }: &User, [d, mut e]: &[u8; 2]) { a + b + c + d + e }",
                &["c", "d"],
            ),
            ("fn f(&self, db: &Db, id: &str) { let db = db.clone(); async move { db.load(id) } }", &["id"]),
        ] {
            assert_eq!(detached(function), (expected.iter().map(ToString::to_string).collect(), vec![]), "{function}");
        }
    }

    #[test]
    fn what_a_task_cannot_hold_is_refused() {
        for (function, why) in [
            ("async fn f(&mut self) { self.load() }", "hold `&mut self`"),
            ("async fn f(self: Pin<&mut Self>) { self.load() }", "hold `self"),
            ("async fn f(db: &mut Db) { db }", "hold `&mut db`"),
            ("async fn f(ref db: Db) { db }", "hold what a `ref` borrows"),
            ("async fn f(tags: &[&str]) { tags }", "borrow"),
            ("async fn f((a, b): (&Db, u8)) { a }", "borrow"),
            ("async fn f(&self) { println!(\"{self}\") }", "name"),
        ] {
            assert_eq!(detached(function).1, [why], "{function}");
        }
    }
}
