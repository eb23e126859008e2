use cache_runtime::KeyPart;

#[derive(KeyPart)]
union Number {
    whole: u32,
    part: i32,
}

fn main() {}
