//! A field whose type cannot stand in a key: reported at the template.

use cache_runtime::redis_cached;

struct Place {
    name: String,
    height: f32,
}

#[redis_cached(key = "place:<place.height>")]
async fn describe(place: &Place) -> String {
    place.name.clone()
}

fn main() {}
