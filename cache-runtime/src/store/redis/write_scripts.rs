//! The scripts of writers: they say in Lua what `store::writes` says in Rust.
//!
//! A WRITE is a header and the places of its writers, 13 bytes each: an id of 8, and a deadline of 5. The number of bytes
//! that the places take is at offset 30.

use once_cell::sync::Lazy;

use super::scripts::{Script, judging};
use crate::error::{Error, ErrorKind};
use crate::store::Ended;

/// What the scripts of writers begin with.
///
/// `places` returns the places of a WRITE's writers, or nil where the head is not that of a WRITE; `find` returns which
/// of them is a writer's; `extend` gives one the later of two deadlines. `write` writes a WRITE over what is there, with
/// an expiry of at least `ms`.
macro_rules! writing {
    ($body:literal) => {
        judging!(concat!(
            r"
            local others = string.rep('\0', 8)

            local head = redis.pcall('GETRANGE', KEYS[1], 0, 47)
            if type(head) == 'table' then
                -- A key of another type is another program's.
                return head
            end

            local function places(head)
                if kind_of(head) ~= 2 then
                    return nil
                end
                local bytes, places = redis.call('GETRANGE', KEYS[1], 48, -1), {}
                if #bytes == 0 or #bytes % 13 ~= 0 or #bytes ~= number(head, 31, 32) then
                    return nil
                end
                for at = 1, #bytes, 13 do
                    places[#places + 1] = string.sub(bytes, at, at + 12)
                end
                return places
            end

            local function find(places, id)
                for at, place in ipairs(places) do
                    if string.sub(place, 1, 8) == id then
                        return at
                    end
                end
                return nil
            end

            local function extend(places, at, deadline)
                if number(places[at], 9, 13) < number(deadline, 1, 5) then
                    places[at] = string.sub(places[at], 1, 8) .. deadline
                end
            end

            local function longer(one, other)
                return number(one, 1, 4) < number(other, 1, 4) and other or one
            end

            local function write(places, flags, token, lifetime, ms)
                local last = string.rep('\0', 5)
                for _, place in ipairs(places) do
                    if number(last, 1, 5) < number(place, 9, 13) then
                        last = string.sub(place, 9, 13)
                    end
                end
                local length, zeros = #places * 13, string.rep('\0', 16)
                length = string.char(math.floor(length / 256), length % 256)
                local written = '\202\2\2' .. string.char(flags) .. token .. last .. string.sub(zeros, 1, 5) .. lifetime
                    .. string.sub(zeros, 1, 4) .. length .. zeros .. table.concat(places)
                local left = redis.call('PTTL', KEYS[1])
                if left < 0 then
                    left = number(lifetime, 1, 4) * 10
                end
                redis.call('SET', KEYS[1], written, 'PX', math.max(left, ms))
            end
            ",
            $body
        ))
    };
}

/// Begins to write, and returns the generation that the end is to name.
///
/// `ARGV`: the WRITE of this writer alone, its milliseconds, the time in ticks before which a deadline has passed, and
/// whether a string that this library did not write may be overwritten (`1`); where it may not, the answer is nil.
pub(super) static BEGIN: Lazy<Script> = Lazy::new(|| {
    Script::new(writing!(
        r"
        if head == '' and redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2], 'NX') then
            return string.sub(ARGV[1], 5, 12)
        end
        if string.byte(head) ~= 202 and ARGV[4] ~= '1' then
            return false
        end

        local under_way, live = places(head), {}
        if under_way and stands(head) then
            for _, place in ipairs(under_way) do
                if number(place, 9, 13) >= tonumber(ARGV[3]) then
                    live[#live + 1] = place
                end
            end
        end
        if #live == 0 then
            -- A value, a lease, a write that is over, or bytes that are not ours: overwritten.
            redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
            return string.sub(ARGV[1], 5, 12)
        end

        local flags, id, deadline = string.byte(head, 4), string.sub(ARGV[1], 49, 56), string.sub(ARGV[1], 57, 61)
        if not find(live, id) then
            flags = 64
            local named = find(live, others) and #live - 1 or #live
            id = named < 64 and id or others
        end
        local at = find(live, id)
        if at then
            extend(live, at, deadline)
        else
            live[#live + 1] = id .. deadline
        end
        local lifetime = longer(string.sub(head, 23, 26), string.sub(ARGV[1], 23, 26))
        write(live, flags, string.sub(head, 5, 12), lifetime, tonumber(ARGV[2]))
        return string.sub(head, 5, 12)
        "
    ))
});

/// Lets a writer last for longer, if it may still be under way.
///
/// `ARGV`: the WRITE of this writer alone, and its milliseconds.
pub(super) static RENEW: Lazy<Script> = Lazy::new(|| {
    Script::new(writing!(
        r"
        local under_way = places(head)
        local at = under_way and (find(under_way, string.sub(ARGV[1], 49, 56)) or find(under_way, others))
        if not at then
            return 0
        end
        extend(under_way, at, string.sub(ARGV[1], 57, 61))
        local lifetime = longer(string.sub(head, 23, 26), string.sub(ARGV[1], 23, 26))
        write(under_way, string.byte(head, 4), string.sub(head, 5, 12), lifetime, tonumber(ARGV[2]))
        return 1
        "
    ))
});

/// Ends a write, and returns how: see [`ended`].
///
/// `ARGV`: the writer, the generation, the entry to store or nothing, and the entry's milliseconds.
pub(super) static END: Lazy<Script> = Lazy::new(|| {
    Script::new(writing!(
        r"
        local under_way, token = places(head), string.sub(head, 5, 12)
        if not under_way then
            if ARGV[3] ~= '' and kind_of(head) == 0 and token == ARGV[2] then
                return 0
            end
            if string.byte(head) == 202 then
                redis.call('UNLINK', KEYS[1])
            end
            return 3
        end

        local at = find(under_way, ARGV[1])
        if at and #under_way == 1 and token == ARGV[2] and string.byte(head, 4) == 0 then
            if ARGV[3] == '' then
                redis.call('UNLINK', KEYS[1])
                return 1
            end
            redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
            return 0
        end

        if at then
            table.remove(under_way, at)
        end
        if #under_way == 0 then
            redis.call('UNLINK', KEYS[1])
        else
            local count = (number(token, 5, 8) + 1) % 4294967296
            local moved_on = string.sub(token, 1, 4) .. string.char(
                math.floor(count / 16777216), math.floor(count / 65536) % 256, math.floor(count / 256) % 256, count % 256
            )
            -- Its expiry stays as it is.
            write(under_way, 64, moved_on, string.sub(head, 23, 26), 1)
        end
        return 2
        "
    ))
});

/// What [`END`] says.
pub(super) fn ended(answer: u8) -> Result<Ended, Error> {
    match answer {
        0 => Ok(Ended::Stored),
        1 => Ok(Ended::Removed),
        2 => Ok(Ended::Overlapped),
        3 => Ok(Ended::Lost),
        _ => Err(Error::new(ErrorKind::Rejected, format!("Redis: the end of a write was answered with {answer}"))),
    }
}
