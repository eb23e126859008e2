//! Likewise for the derive.

#[derive(cr::KeyPart)]
struct Sku {
    vendor: u32,
    code: String,
}

fn main() {
    let _ = Sku { vendor: 1, code: String::new() };
}
