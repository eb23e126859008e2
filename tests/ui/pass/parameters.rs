//! Parameters of every shape: `mut`, references, raw names, fields, patterns, `impl Trait`, and ones that nothing names.
#![deny(warnings)]

use std::borrow::Cow;

use cache_runtime::{KeyPart, redis_cached};

pub struct User {
    pub id: u64,
    pub name: String,
    pub team: (u32, u32),
    pub r#type: u8,
}

pub struct Path<T>(pub T);

#[redis_cached(key = "<id>")]
pub async fn mutable(mut id: u64) -> u64 {
    id += 1;
    id
}

#[redis_cached(key = "<name>:<tag>")]
pub async fn borrowed(name: &str, tag: &Cow<'_, str>) -> String {
    format!("{name}{tag}")
}

#[redis_cached(key = "<type>")]
pub async fn raw(r#type: u8) -> u8 {
    r#type
}

#[redis_cached(key = "<user.id>:<user.team.1>:<user.type>")]
pub async fn fields(user: &User) -> String {
    user.name.clone()
}

#[redis_cached(key = "<a>:<y>", skip(b, name))]
pub async fn patterns((a, mut b): (u32, u32), Path(y): Path<u8>, User { mut name, .. }: User) -> u32 {
    b += a + u32::from(y);
    name.clear();
    b
}

#[redis_cached(key = "<id>", skip(name, team))]
pub async fn shorthand(User { id, name, team: (team, _), .. }: &User, _: &str) -> String {
    format!("{id}{name}{team}")
}

#[redis_cached(key = "<id>:<tags>", skip(on_load))]
pub async fn opaque(id: impl KeyPart + ToString, tags: &[String], on_load: impl Fn()) -> String {
    on_load();
    id.to_string() + &tags.concat()
}

#[redis_cached(key = "moved:<name>")]
pub async fn moved(name: String) -> String {
    name
}

#[redis_cached(key = "only:in:the:key:<id>")]
pub async fn only_in_the_key(id: u64) -> u64 {
    7
}

#[redis_cached(key = "{<id>}:a<<b>>c")]
pub async fn marks(id: u64) -> u64 {
    id
}

#[redis_cached(key = "nothing")]
pub async fn none() -> u64 {
    7
}

async fn entries(user: &User) {
    let _ = mutable_entry(1).key().to_owned();
    let _ = borrowed_entry("a", &Cow::Borrowed("b"));
    let _ = raw_entry(1);
    let _ = fields_entry(user);
    let _ = patterns_entry((1, 2), Path(1));
    let _ = shorthand_entry(user);
    let _ = opaque_entry(7_u64, &[]);
    let _ = moved_entry("a".to_owned());
    let _ = only_in_the_key_entry(1);
    let _ = marks_entry(1);
    let _ = none_entry();
    let _ = opaque(7_u64, &[], || ()).await;
}

fn main() {
    let user = User { id: 1, name: String::new(), team: (1, 2), r#type: 1 };
    drop(entries(&user));
}
