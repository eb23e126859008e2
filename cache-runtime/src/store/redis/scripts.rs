//! The scripts: each touches one key, so a cluster runs them as it is. None runs on a hit.
//!
//! They say in Lua what `store::transition` and `store::writes` say in Rust. Byte offsets are those of `entry`: the kind
//! at offset 2 (0 VALUE, 1 LEASE, 2 WRITE), the flags at offset 3 (1 LEASED, 2 OUTLIVES, 4 `HELD_OFF`, 64 POISONED), then
//! the token and the lease deadline; the lifetime at offset 22.

use once_cell::sync::Lazy;
use redis::{Arg, Cmd};

/// A script, which a server knows by the hash of its text once it was sent the text.
pub(super) struct Script {
    text: &'static str,
    hash: String,
}

impl Script {
    pub(super) fn new(text: &'static str) -> Self {
        Self { text, hash: redis::Script::new(text).get_hash().to_owned() }
    }

    /// The command that runs it by its hash, on one key; the arguments are to be added.
    pub(super) fn on(&self, key: &str) -> Cmd {
        let mut command = redis::cmd("EVALSHA");
        command.arg(&self.hash).arg(1).arg(key);
        command
    }

    /// The same command with the text, for a server that does not know it.
    pub(super) fn spelled_out(&self, command: &Cmd) -> Cmd {
        let mut whole = redis::cmd("EVAL");
        whole.arg(self.text);
        for argument in command.args_iter().skip(2) {
            if let Arg::Simple(bytes) = argument {
                whole.arg(bytes);
            }
        }
        whole
    }
}

/// What scripts that judge an entry begin with: what kind it is, and whether a LEASE or a WRITE stands. The two limits of
/// what it has left, in milliseconds, are those of `policy::lease`.
macro_rules! judging {
    ($body:expr) => {
        concat!(
            r"
            local function number(bytes, first, last)
                local number = 0
                for at = first, last do
                    number = number * 256 + string.byte(bytes, at)
                end
                return number
            end

            local function kind_of(head)
                if #head ~= 48 or string.sub(head, 1, 2) ~= '\202\2' or string.byte(head, 30) ~= 0 then
                    return nil
                end
                local kind, flags = string.byte(head, 3, 4)
                if kind == 0 then
                    return flags < 64 and kind or nil
                end
                -- All that only a value has is zero.
                local zeros = string.sub(head, 18, 22) .. string.sub(head, 27, 29) .. string.sub(head, 33, 48)
                local is_known = kind == 1 and flags == 1 and string.sub(head, 31, 32) == '\0\0'
                    or kind == 2 and (flags == 0 or flags == 64)
                return is_known and zeros == string.rep('\0', 24) and kind or nil
            end

            local function stands(head)
                local left = redis.call('PTTL', KEYS[1])
                return left >= 0 and left <= math.min(number(head, 23, 26) * 10, 86400000) + 1000
            end
            ",
            $body
        )
    };
}
pub(super) use judging;

/// Takes the lease (nil), or returns the entry that is there.
///
/// `ARGV`: the lease as an entry, its milliseconds, what it may displace (`missing`, `unusable`, `refresh`, `any`), for
/// `unusable` and `refresh` the first bytes of what it displaces, and whether that may be a string that this library did
/// not write (`1`). Such a string does not begin with the byte 202; of an empty one the range is that of a missing key.
pub(super) static LEASE: Lazy<Script> = Lazy::new(|| {
    Script::new(judging!(
        r"
        local head = redis.call('GETRANGE', KEYS[1], 0, 47)
        if head == '' and redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2], 'NX') then
            return false
        end
        if string.byte(head) ~= 202 and ARGV[5] ~= '1' then
            return redis.call('GET', KEYS[1])
        end
        local kind = kind_of(head)
        local is_over = (kind == 1 or kind == 2) and not stands(head)
        if not is_over then
            local take = ARGV[3]
            if kind ~= 2 and (take == 'any' or (take == 'refresh' and head == ARGV[4])) then
                if kind == 0 then
                    local flags = string.byte(head, 4)
                    local leased = string.char(bit.bor(bit.band(flags, 123), 3)) .. string.sub(ARGV[1], 5, 17)
                    redis.call('SETRANGE', KEYS[1], 3, leased)
                    if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then
                        redis.call('PEXPIRE', KEYS[1], ARGV[2])
                    end
                    return false
                end
            elseif kind == 2 or not (take == 'unusable' and head == ARGV[4]) then
                return redis.call('GET', KEYS[1])
            end
        end
        redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
        return false
        "
    ))
});

/// What the scripts of a lease's holder begin with: they return 0 where the lease is not that of `ARGV[1]`.
macro_rules! held {
    ($body:literal) => {
        concat!(
            r"
            local head = redis.call('GETRANGE', KEYS[1], 2, 11)
            if #head ~= 10 or string.sub(head, 3) ~= ARGV[1] or bit.band(string.byte(head, 2), 5) ~= 1 then
                return 0
            end
            ",
            $body
        )
    };
}

/// Stores the entry `ARGV[2]` for `ARGV[3]` milliseconds.
pub(super) static COMMIT: Lazy<Script> = Lazy::new(|| {
    Script::new(held!(
        r"
        redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
        return 1
        "
    ))
});

/// Lets the lease live for at least `ARGV[2]` milliseconds more. `ARGV[3]` is its new deadline in the header, where those
/// look that wait for its end, up to the new lifetime; only the deadline is that of a lease on a value.
pub(super) static RENEW: Lazy<Script> = Lazy::new(|| {
    Script::new(held!(
        r"
        if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then
            redis.call('PEXPIRE', KEYS[1], ARGV[2])
        end
        local times = string.byte(head, 1) == 0 and string.sub(ARGV[3], 1, 5) or ARGV[3]
        redis.call('SETRANGE', KEYS[1], 12, times)
        return 1
        "
    ))
});

/// Gives the lease back: the key goes, or the value loses the lease on it; or keeps it as a pause for all, until
/// `ARGV[2]`, where that is not empty.
pub(super) static RELEASE: Lazy<Script> = Lazy::new(|| {
    Script::new(held!(
        r"
        local kind, flags = string.byte(head, 1, 2)
        if kind == 0 then
            if ARGV[2] == '' then
                redis.call('SETRANGE', KEYS[1], 3, string.char(flags - 1))
            else
                redis.call('SETRANGE', KEYS[1], 3, string.char(flags + 4))
                redis.call('SETRANGE', KEYS[1], 12, ARGV[2])
            end
        else
            redis.call('UNLINK', KEYS[1])
        end
        return 1
        "
    ))
});

/// Removes the key if it is an entry: a string of at least `ARGV[1]` bytes that begins with the byte `ARGV[2]` and a version
/// up to `ARGV[3]`. Returns how many keys that was.
pub(super) static SWEEP: Lazy<Script> = Lazy::new(|| {
    Script::new(
        r"
        if redis.call('TYPE', KEYS[1]).ok ~= 'string' then
            return 0
        end
        local head = redis.call('GETRANGE', KEYS[1], 0, ARGV[1] - 1)
        local magic, version = string.byte(head, 1, 2)
        if #head < tonumber(ARGV[1]) or magic ~= tonumber(ARGV[2]) or version < 1 or version > tonumber(ARGV[3]) then
            return 0
        end
        return redis.call('UNLINK', KEYS[1])
        ",
    )
});
#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::MAX_LOCK_TIME;
    use crate::policy::lease::TOLERANCE;

    #[test]
    fn the_limits_of_what_stands_are_those_of_the_policy() {
        let limits = format!("{}) + {}", MAX_LOCK_TIME.as_millis(), TOLERANCE.as_millis());
        assert!(LEASE.text.contains(&limits), "the script does not say {limits}");
    }
}
