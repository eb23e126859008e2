use cache_runtime::KeyPart;

#[derive(KeyPart)]
#[key_part(krate = cache_runtime)]
struct UserId(u64);

fn main() {}
