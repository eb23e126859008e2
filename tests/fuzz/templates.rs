//! Key templates: no text makes the parser panic, and what it lets pass keeps different arguments apart.

use std::collections::HashMap;

use crate::key_template::{Segment, Template, ambiguities};
use crate::mutate::fuzz;

/// Values of the alphabet that the runtime writes, chosen to run into each other.
const VALUES: [&str; 6] = ["", "a", "-", "aa", "a-", "-a"];

fn key(segments: &[Segment], values: &[&str]) -> String {
    let mut values = values.iter();
    let part = |segment: &Segment| match segment {
        Segment::Literal(literal) => literal.clone(),
        Segment::Placeholder(_) => values.next().copied().unwrap_or_default().to_owned(),
    };
    segments.iter().map(part).collect()
}

#[test]
fn no_template_that_passes_gives_two_lists_of_values_one_key() {
    let seeds =
        ["user:<id>:v1", "{user:<user.id>}:<self.tenant>", "<a>-<b>", "<<<a>>>:<b>", "a<pair.0>:-a<pair.1>-:<c>"];
    let mut passed = 0;
    fuzz(&seeds.map(|seed| seed.as_bytes().to_vec()), |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let template = Template::parse(&text);
        if !template.malformed.is_empty() || !ambiguities(&template.segments).is_empty() {
            return;
        }
        let places = template.segments.iter().filter(|segment| matches!(segment, Segment::Placeholder(_))).count();
        let mut keys = HashMap::new();
        for index in 0..VALUES.len().pow(u32::try_from(places.min(3)).unwrap_or_default()) {
            let values: Vec<&str> = (0..places).map(|place| VALUES[index / [1, 6, 36][place.min(2)] % 6]).collect();
            let key = key(&template.segments, &values);
            if let Some(other) = keys.insert(key.clone(), values.clone()) {
                assert_eq!(other, values, "both make {key} of {text}");
            }
        }
        passed += 1;
    });
    assert!(passed > 0, "no template passed, so none was tried");
}
