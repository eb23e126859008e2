//! Which function uses which key template in a cache.
//!
//! Two functions with one template share their values: one gets what the other stored, and an invalidation of one is an
//! invalidation of both. The same goes for a generic function that is called with two value types. Where this is not said
//! to be meant (`shared = true`, on both), the first use of the second one is an error event, and a panic in a debug
//! build: there it is a mistake that nobody should have to find in a log.
//!
//! # Costs
//!
//! A call is looked up under the `Site` of its function, which remembers the last few uses as one number each: that is one
//! relaxed load and a comparison. Where a function alternates between more caches or types than a site remembers, a use
//! is looked up in its cache, under a lock that readers share.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use crate::key::{KeyPart, KeyWriter};
use crate::observe;
use crate::site::{Site, TypeName};

/// The uses of key templates in one cache. A cache has as many as the program has functions, times the types of each.
pub(crate) struct Templates {
    /// Tells this cache from all others of the process, also from those that are gone.
    cache: u64,
    on_clash: OnClash,
    uses: RwLock<Uses>,
}

/// What follows from two uses that clash, besides the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnClash {
    /// Each call of the second function panics.
    Panic,
    /// The second function is used as it is.
    GoOn,
}

#[derive(Default)]
struct Uses {
    /// The tokens of all that were admitted.
    admitted: HashSet<u64>,
    /// By the pattern of the template.
    by_pattern: HashMap<String, Vec<User>>,
}

/// A function that is about to use its template, as cheap to make as a call must be.
#[derive(Clone, Copy)]
pub(crate) struct Use {
    pub(crate) site: &'static Site,
    /// The type of the value; none where none is read or written.
    pub(crate) value: Option<TypeName>,
    /// The template with its constants, where it has any.
    pub(crate) constants: Option<Constants>,
}

/// Writes a template that has constants in it, such as `<T::NAME>`.
pub type Constants = fn(Template) -> Template;

/// A template in the making: its constants are rendered, its placeholders are not.
#[derive(Debug)]
pub struct Template(String);

impl Template {
    /// Text of the template, as the user wrote it, placeholders too.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        self.0.push_str(text);
        self
    }

    /// A constant that is the same in all calls of one instance of the function.
    #[must_use]
    pub fn constant<P: KeyPart + ?Sized>(mut self, value: &P) -> Self {
        KeyWriter::new(&mut self.0).part(value);
        self
    }
}

/// A function that uses a template.
#[derive(Clone)]
struct User {
    site: &'static Site,
    template: String,
    value: Option<&'static str>,
}

/// Two functions that share values, and do not both say that they mean it.
struct Clash {
    second: User,
    first: User,
    /// Whether it was unknown before.
    is_new: bool,
}

impl Default for Templates {
    /// A cache in a debug build panics. It is built in the profile of the program that uses it.
    fn default() -> Self {
        Self::new(if cfg!(debug_assertions) { OnClash::Panic } else { OnClash::GoOn })
    }
}

impl Templates {
    fn new(on_clash: OnClash) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self { cache: NEXT.fetch_add(1, Ordering::Relaxed), on_clash, uses: RwLock::default() }
    }

    /// A function uses its template in this cache.
    ///
    /// # Panics
    ///
    /// In a debug build, where that is another function's template.
    pub(crate) fn admit(&self, used: Use) {
        let token = used.token(self.cache);
        if !used.site.has_admitted(token) {
            self.look_up(used, token);
        }
    }

    #[cold]
    fn look_up(&self, used: Use, token: u64) {
        let is_known = self.uses.read().unwrap_or_else(PoisonError::into_inner).admitted.contains(&token);
        if !is_known && let Some(clash) = self.enter(used, token) {
            // The lock is not held any more: what handles events may call cached functions.
            if clash.is_new {
                observe::template_used_twice(&clash.second.told(), &clash.first.told(), clash.cure());
            }
            assert!(self.on_clash == OnClash::GoOn, "{clash}");
        }
        used.site.admits(token);
    }

    /// Notes a use that was not admitted before, and finds out whether it clashes with an earlier one. A use that leads to
    /// a panic is not admitted, so that the next call panics as well.
    fn enter(&self, used: Use, token: u64) -> Option<Clash> {
        let second = User::of(used);
        let mut table = self.uses.write().unwrap_or_else(PoisonError::into_inner);
        let known_users = table.by_pattern.entry(pattern(&second.template)).or_default();
        let known = known_users.iter().position(|known| known.is_the_function_of(&second) && known.fits(&second));
        // Whoever came first is not to blame, whatever else it does with the template later.
        let is_of_second = |user: &User| user.is_the_function_of(&second);
        let began = known_users.iter().position(is_of_second).unwrap_or(known_users.len());
        let earlier = known_users.iter().enumerate().take(known.unwrap_or(known_users.len()));
        let mut earlier = earlier.filter(|(at, user)| *at < began || is_of_second(user)).map(|(_, user)| user);
        let first = earlier.find(|first| second.clashes_with(first)).cloned();
        match known.and_then(|known| known_users.get_mut(known)) {
            Some(known) => known.value = known.value.or(second.value),
            None => known_users.push(second.clone()),
        }
        if first.is_none() || self.on_clash == OnClash::GoOn {
            table.admitted.insert(token);
        }
        first.map(|first| Clash { second, first, is_new: known.is_none() })
    }
}

impl Use {
    /// A number that no other use has, in any cache; never zero. Two that were equal would hide one clash.
    fn token(&self, cache: u64) -> u64 {
        // Odd numbers without a pattern (the fractions of the roots of 2, 3, 5 and 7): the products do not wait for each
        // other.
        let site = std::ptr::from_ref(self.site) as usize as u64;
        let value = self.value.map_or(0, |value| value as usize as u64);
        let constants = self.constants.map_or(0, |constants| constants as usize as u64);
        let mixed = [
            cache.wrapping_mul(0x6A09_E667_F3BC_C909),
            site.wrapping_mul(0xBB67_AE85_84CA_A73B),
            value.wrapping_mul(0x3C6E_F372_FE94_F82B),
            constants.wrapping_mul(0xA54F_F53A_5F1D_36F1),
        ];
        mixed.into_iter().fold(0_u64, u64::wrapping_add).max(1)
    }
}

impl User {
    fn of(used: Use) -> Self {
        let Use { site, value, constants } = used;
        let template = constants.map_or_else(|| site.template.to_owned(), |write| write(Template(String::new())).0);
        Self { site, template, value: value.map(|name| name()) }
    }

    fn is_the_function_of(&self, other: &Self) -> bool {
        self.site.is_of_the_function_of(other.site)
    }

    /// Whether two uses are not of different types. An invalidation reads and writes no value, so it fits every type.
    fn fits(&self, other: &Self) -> bool {
        self.value.zip(other.value).is_none_or(|(one, other)| one == other)
    }

    /// Whether two uses of one pattern share values that are not meant to be shared.
    fn clashes_with(&self, other: &Self) -> bool {
        let are_shared = self.site.is_shared && other.site.is_shared;
        !(self.is_the_function_of(other) && self.fits(other) || are_shared)
    }

    fn told(&self) -> observe::TemplateUser<'_> {
        observe::TemplateUser { site: self.site, template: &self.template, value: self.value }
    }
}

impl fmt::Display for User {
    /// `` `get_user` of `app::users` (src/users.rs:12:1), with `user:<id>` for values of type `app::User` ``
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { site, template, value } = self;
        write!(f, "`{}` of `{}` ({}), with `{template}`", site.function, site.module, site.place)?;
        value.iter().try_for_each(|value| write!(f, " for values of type `{value}`"))
    }
}

impl Clash {
    fn cure(&self) -> &'static str {
        if self.second.is_the_function_of(&self.first) {
            "put what tells the types apart into the template, or write `shared = true`"
        } else {
            "rename one template, or write `shared = true` on both"
        }
    }
}

impl fmt::Display for Clash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { second, first, .. } = self;
        write!(
            f,
            "two uses of one key template share their values in this cache: {first}; and {second}: {}",
            self.cure()
        )
    }
}

/// A template without the names in its placeholders, since `user:<id>` and `user:<uid>` make the same keys.
fn pattern(template: &str) -> String {
    let mut pattern = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, from)) = rest.find(['<', '>']).map(|at| rest.split_at(at)) {
        pattern.push_str(before);
        // A mark that is written twice stands for itself.
        if let Some(twice) = ["<<", ">>"].into_iter().find(|twice| from.starts_with(twice)) {
            pattern.push_str(twice);
            rest = &from[twice.len()..];
        } else {
            pattern.push_str("<>");
            rest = from.split_once('>').map_or("", |(_, after)| after);
        }
    }
    pattern + rest
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn site(function: &'static str, module: &'static str) -> &'static Site {
        Box::leak(Box::new(Site::new(function, module, "row:<name>:<id>")))
    }

    fn of_u64(site: &'static Site) -> Use {
        Use { site, value: Some(std::any::type_name::<u64>), constants: None }
    }

    fn panics(templates: &Templates, used: Use) -> bool {
        catch_unwind(AssertUnwindSafe(|| templates.admit(used))).is_err()
    }

    /// Counts the events of this thread.
    #[derive(Clone, Default)]
    struct Errors(Arc<AtomicUsize>);

    impl tracing::Subscriber for Errors {
        fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
            *metadata.level() == tracing::Level::ERROR
        }

        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }

        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

        fn event(&self, _: &tracing::Event<'_>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }

        fn enter(&self, _: &tracing::span::Id) {}

        fn exit(&self, _: &tracing::span::Id) {}
    }

    #[test]
    fn in_a_release_build_a_clash_is_one_event_and_the_function_goes_on() {
        let errors = Errors::default();
        let templates = Templates::new(OnClash::GoOn);
        let (first, second) = (site("first", "app"), site("second", "app"));
        tracing::subscriber::with_default(errors.clone(), || {
            templates.admit(of_u64(first));
            for _ in 0..3 {
                templates.admit(Use { value: None, ..of_u64(second) });
                templates.admit(of_u64(second));
            }
        });
        assert_eq!(errors.0.load(Ordering::Relaxed), 1);
        assert!(second.has_admitted(of_u64(second).token(templates.cache)), "nothing is looked up any more");
    }

    #[test]
    fn a_debug_build_panics() {
        assert_eq!(Templates::default().on_clash == OnClash::Panic, cfg!(debug_assertions));
    }

    #[test]
    fn one_file_in_two_crates_is_one_function() {
        let templates = Templates::new(OnClash::Panic);
        let (of_library, of_program) = (site("get", "app::users"), site("get", "app_server::users"));
        templates.admit(of_u64(of_library));
        assert!(!panics(&templates, of_u64(of_program)));
        assert!(panics(&templates, of_u64(site("get", "app::accounts"))));
    }

    #[test]
    fn templates_with_constants_are_told_apart_by_them() {
        fn row(constants: Constants) -> Use {
            Use { constants: Some(constants), ..of_u64(site("row", "app")) }
        }
        let named: fn(&'static str) -> Constants = |name| match name {
            "dog" => |template| template.text("row:").constant("dog").text(":<id>"),
            _ => |template| template.text("row:").constant("c/t").text(":<id>"),
        };
        let templates = Templates::new(OnClash::Panic);
        templates.admit(row(named("dog")));
        assert!(!panics(&templates, row(named("cat"))), "the constant is in the key");
        let of_strings = |constants| Use { value: Some(std::any::type_name::<String>), ..row(constants) };
        assert!(panics(&templates, of_strings(named("dog"))), "one constant, two types");

        // A function that writes out what the other one has from a constant.
        let written_out = Box::leak(Box::new(Site::new("cat", "app", "row:c%2Ft:<id>")));
        assert!(panics(&templates, of_u64(written_out)));
    }

    #[test]
    fn what_a_site_does_not_remember_is_looked_up() {
        let used = of_u64(site("get", "app"));
        let caches: Vec<_> = (0..3 * 4).map(|_| Templates::new(OnClash::Panic)).collect();
        for _ in 0..2 {
            for templates in &caches {
                templates.admit(used);
            }
        }
        let tokens: HashSet<_> = caches.iter().map(|templates| used.token(templates.cache)).collect();
        assert_eq!(tokens.len(), caches.len());
        assert!(caches.iter().all(|templates| templates.uses.read().unwrap().by_pattern.len() == 1));
    }

    #[test]
    fn patterns_are_templates_without_the_names_of_placeholders() {
        for (template, expected) in [
            ("row:<id>:v1", "row:<>:v1"),
            ("<a.b>{<self.c>}", "<>{<>}"),
            ("a<<b>>c", "a<<b>>c"),
            ("<<<id>>>", "<<<>>>"),
            ("größe:<größe>", "größe:<>"),
            ("", ""),
        ] {
            assert_eq!(pattern(template), expected);
        }
    }
}
