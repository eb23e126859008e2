//! The catalog's data: made from nothing but a counter, so that everybody's product 7 is the same.

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

/// Kept in the file by `SQLite`; a file that has it is complete.
const SCHEMA_VERSION: u32 = 1;

const SCHEMA: &str = "
    CREATE TABLE product (
        id          INTEGER PRIMARY KEY,
        name        TEXT    NOT NULL,
        category    TEXT    NOT NULL,
        price_cents INTEGER NOT NULL CHECK (price_cents > 0)
    );
    CREATE TABLE review (
        product INTEGER NOT NULL REFERENCES product (id),
        stars   INTEGER NOT NULL CHECK (stars BETWEEN 1 AND 5)
    );
    CREATE INDEX product_by_category ON product (category);
    CREATE INDEX review_by_product ON review (product, stars);";

const CATEGORIES: [(&str, [&str; 4]); 6] = [
    ("books", ["novel", "atlas", "cookbook", "diary"]),
    ("garden", ["spade", "watering can", "hammock", "lantern"]),
    ("kitchen", ["kettle", "frying pan", "scale", "teapot"]),
    ("office", ["lamp", "chair", "notebook", "stapler"]),
    ("sport", ["racket", "football", "rope", "bottle"]),
    ("toys & games", ["puzzle", "kite", "chess set", "marble run"]),
];
const LOOKS: [&str; 8] = ["blue", "classic", "compact", "folding", "heavy", "light", "oak", "red"];

/// Fills a new database; one that is filled already is left as it is. All of it or nothing, so that a start that is
/// interrupted, or a second process starting at the same time, leaves no half of a catalog.
pub(super) fn make(connection: &mut Connection, products: u32) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: u32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version == SCHEMA_VERSION {
        return Ok(());
    }
    transaction.execute_batch(SCHEMA)?;
    fill(&transaction, products)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()
}

fn fill(transaction: &Transaction<'_>, products: u32) -> rusqlite::Result<()> {
    let mut product = transaction.prepare("INSERT INTO product VALUES (?1, ?2, ?3, ?4)")?;
    let mut review = transaction.prepare("INSERT INTO review VALUES (?1, ?2)")?;
    for id in 1..=products {
        let mut draw = Draws(u64::from(id));
        let (category, things) = draw.one_of(&CATEGORIES);
        let name = format!("{} {} no. {id}", draw.one_of(&LOOKS), draw.one_of(things));
        product.execute(params![id, name, category, 199 + draw.below(50_000)])?;
        // Some products please more than others.
        let least = 1 + draw.below(4);
        for _ in 0..draw.below(40) {
            review.execute(params![id, least + draw.below(6 - least)])?;
        }
    }
    Ok(())
}

/// `SplitMix64` (Steele, Lea and Flood, OOPSLA 2014): numbers that look drawn, and are the same on every machine.
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u32) -> u32 {
        // The high half times the range: at most `end - 1`, so it fits.
        u32::try_from(((self.next() >> 32) * u64::from(end)) >> 32).unwrap_or(0)
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(u32::try_from(all.len()).unwrap_or(1)) as usize]
    }
}
