//! A type that says it borrows.

use cache_runtime::redis_cached;

struct Ctx<'c> {
    name: &'c str,
}

#[redis_cached(key = "user:<id>", stale_while_revalidate = 60, skip(ctx))]
async fn get_user(ctx: Ctx<'_>, id: u64) -> String {
    format!("{}{id}", ctx.name)
}

async fn caller() {
    let _ = get_user_entry(7).invalidate().await;
}

fn main() {
    drop(caller());
}
