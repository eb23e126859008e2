use cache_runtime::KeyPart;

#[derive(KeyPart)]
struct Place {
    name: String,
    height: f64,
}

fn main() {}
