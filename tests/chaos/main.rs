//! The bad day: several processes read and invalidate at a steady rate through one cache, something breaks, and it is
//! made whole again. Whatever it was: no caller sees an error, an old value or another key's value, none is late by more
//! than the cache's budget, the origin is asked by one caller of a key and process at a time, all processes find back by
//! themselves, and nothing is left behind in them.
//!
//! A test is a fault; a fault more is a few lines more here. What is asserted of all of them is in `verdict`, what the
//! processes do is in `tests/caller`. A fault lasts some seconds, or as many as you like:
//!
//! ```console
//! CHAOS_SECONDS=60 tests/run -E 'binary(chaos)'
//! ```

mod crew;
mod failover;
mod scene;
mod verdict;

use std::time::{Duration, Instant};

use support::Fault;
use tokio::time::sleep;

use crate::scene::{Scene, Way, day};
use crate::verdict::Blow;

/// Declares faults: how hard each is, the way on which it is met, the arguments of the server, and what happens.
macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident: $blow:ident, $way:ident, [$($argument:expr),*], $fault:expr;)+) => {$(
        $(#[$doc])*
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            Box::pin(day(&[$($argument),*], Way::$way, $fault)).await.judge(Blow::$blow);
        }
    )+};
}

faults! {
    /// `SIGSTOP`: connections stay open, new ones are taken by the kernel, and nothing answers.
    a_server_that_stands_still: Outage, Straight, [], async |scene: &mut Scene, span| {
        scene.server.pause();
        sleep(span).await;
        scene.server.resume();
    };

    /// Leases and values are gone when it is back.
    a_server_that_is_killed_and_comes_back_empty: Outage, Straight, [], async |scene: &mut Scene, span| {
        scene.server.kill();
        sleep(span).await;
        scene.server.restart().await;
    };

    /// What it has said yes to is in its log: leases of before are there again, and what was invalidated is not.
    a_server_that_is_killed_and_comes_back_with_its_data: Outage, Straight, ["--appendonly", "yes"],
        async |scene: &mut Scene, span| {
            scene.server.kill();
            sleep(span).await;
            scene.server.restart().await;
            let keys: usize = scene.anew().await.ask(&["DBSIZE"]).await;
            assert!(keys > 0, "it came back empty");
        };

    /// Nothing is lost, only connections, again and again.
    a_server_that_restarts_in_a_row: Trouble, Straight, ["--appendonly", "yes"], async |scene: &mut Scene, span| {
        let until = Instant::now() + span;
        while Instant::now() < until {
            scene.server.restart().await;
            sleep(Duration::from_millis(300)).await;
        }
    };

    /// Commands stand in line behind one that takes long.
    a_server_that_is_busy: Outage, Straight, ["--enable-debug-command", "local"], async |scene: &mut Scene, span| {
        scene.send(&["DEBUG", "SLEEP", &span.as_secs_f64().to_string()]);
        sleep(span).await;
    };

    /// Whoever would end the pause is paused too.
    clients_that_are_paused: Outage, Straight, [], async |scene: &mut Scene, span| {
        scene.ask::<()>(&["CLIENT", "PAUSE", &span.as_millis().to_string(), "ALL"]).await;
        sleep(span).await;
    };

    /// As during a failover: reads are answered, and leases, values and invalidations stand in line.
    writes_that_are_paused: Trouble, Straight, [], async |scene: &mut Scene, span| {
        scene.ask::<()>(&["CLIENT", "PAUSE", "600000", "WRITE"]).await;
        sleep(span).await;
        scene.ask::<()>(&["CLIENT", "UNPAUSE"]).await;
    };

    /// Reads and removals are answered, and what takes memory is refused.
    a_server_without_memory: Trouble, Straight, [], async |scene: &mut Scene, span| {
        scene.ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;
        sleep(span).await;
        scene.ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]).await;
    };

    /// Everything that it can do without goes: values and leases.
    a_server_that_evicts_everything: Nuisance, Straight, ["--maxmemory-policy", "allkeys-random"],
        async |scene: &mut Scene, span| {
            let until = Instant::now() + span;
            while Instant::now() < until {
                scene.ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;
                // What it evicts for comes from the callers.
                sleep(Duration::from_millis(10)).await;
                scene.ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]).await;
                sleep(Duration::from_millis(150)).await;
            }
        };

    /// Somebody empties it, again and again.
    a_server_that_is_flushed: Nuisance, Straight, [], async |scene: &mut Scene, span| {
        scene.again_and_again(span, Duration::from_millis(100), &["FLUSHALL"]).await;
    };

    scripts_that_are_flushed: Nuisance, Straight, [], async |scene: &mut Scene, span| {
        scene.again_and_again(span, Duration::from_millis(5), &["SCRIPT", "FLUSH"]).await;
    };

    connections_that_are_killed: Nuisance, Straight, [], async |scene: &mut Scene, span| {
        let kill = ["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"];
        scene.again_and_again(span, Duration::from_millis(100), &kill).await;
    };

    /// Open connections are not asked again, so they are closed, as whoever changes a password does.
    a_password_that_is_changed: Outage, Straight, ["--requirepass", "old"], async |scene: &mut Scene, span| {
        scene.ask::<()>(&["CONFIG", "SET", "requirepass", "new"]).await;
        scene.ask::<u64>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
        sleep(span).await;
        scene.ask::<()>(&["CONFIG", "SET", "requirepass", "old"]).await;
    };

    /// The user of the callers may do nothing any more, over connections that stay.
    permissions_that_are_taken: Refusal, Straight, [], async |scene: &mut Scene, span| {
        scene.ask::<()>(&["ACL", "SETUSER", "default", "-@all", "+acl"]).await;
        sleep(span).await;
        scene.ask::<()>(&["ACL", "SETUSER", "default", "+@all"]).await;
    };

    /// Whoever else writes there: entries become damaged ones, foreign strings, and lists.
    entries_that_are_overwritten: Trouble, Straight, [], async |scene: &mut Scene, span| {
        let spoil = r"for number, key in ipairs(redis.call('KEYS', '*')) do
            if number % 3 == 0 then redis.call('DEL', key) redis.call('RPUSH', key, 'x') redis.call('PEXPIRE', key, 150)
            elseif number % 3 == 1 then redis.call('SET', key, 'nonsense', 'PX', 150)
            else redis.call('SET', key, '\202nonsense', 'PX', 150) end
        end";
        scene.again_and_again(span, Duration::from_millis(200), &["EVAL", spoil, "0"]).await;
    };

    /// Connections are refused an answer in time, and their answers come later all the same.
    a_network_that_stalls: Outage, Proxied, [], async |scene: &mut Scene, span| {
        scene.befall(Fault::Stall, span).await;
    };

    /// Each answer is late, and most calls have still time for all of theirs.
    a_network_that_is_slow: Nuisance, Proxied, [], async |scene: &mut Scene, span| {
        scene.befall(Fault::Delay(Duration::from_millis(20)), span).await;
    };

    /// Each answer comes, and none in time.
    a_network_that_is_too_slow: Outage, Proxied, [], async |scene: &mut Scene, span| {
        scene.befall(Fault::Delay(Duration::from_millis(250)), span).await;
    };

    a_network_that_trickles: Outage, Proxied, [], async |scene: &mut Scene, span| {
        scene.befall(Fault::Trickle(Duration::from_millis(20)), span).await;
    };

    connections_that_are_reset: Outage, Proxied, [], async |scene: &mut Scene, span| {
        scene.befall(Fault::Reset, span).await;
    };

    /// The callers can still write, and nobody will answer.
    connections_that_are_half_closed: Outage, Proxied, [], async |scene: &mut Scene, span| {
        scene.befall(Fault::HalfClose, span).await;
    };

    answers_that_are_cut: Outage, Proxied, [], async |scene: &mut Scene, span| {
        scene.befall(Fault::Cut, span).await;
    };

    answers_that_are_garbage: Outage, Proxied, [], async |scene: &mut Scene, span| {
        scene.befall(Fault::Corrupt, span).await;
    };

    /// For less than a deadline each time, so that calls meet both ends of it.
    a_network_that_comes_and_goes: Trouble, Proxied, [], async |scene: &mut Scene, span| {
        let (until, faults) = (Instant::now() + span, [Fault::Stall, Fault::Reset, Fault::Cut, Fault::HalfClose]);
        for fault in faults.into_iter().cycle().take_while(|_| Instant::now() < until) {
            scene.befall(fault, Duration::from_millis(150)).await;
            sleep(Duration::from_millis(150)).await;
        }
    };

    /// As an operator does it: no write is lost, and the name leads to the new one.
    a_primary_that_hands_over: Nuisance, Proxied, ["--repl-diskless-sync-delay", "0"], async |scene: &mut Scene, span| {
        let replica = failover::replica_of(scene).await;
        scene.begins();
        failover::hand_over(scene, &replica).await;
        scene.proxy.lead_to(&replica);
        sleep(span).await;
        scene.keep(replica);
    };

    /// The keys of the others are served as if nothing was.
    a_node_of_a_cluster_that_stands_still: Part, Cluster, [], async |scene: &mut Scene, span| {
        scene.server.pause();
        sleep(span).await;
        scene.server.resume();
    };

    /// Nobody tells the callers where its keys are now.
    a_node_of_a_cluster_that_dies_and_is_replaced: Trouble, Replicated, [], async |scene: &mut Scene, span| {
        failover::catch_up_in_cluster(scene).await;
        scene.begins();
        scene.server.kill();
        failover::is_replaced(scene).await;
        sleep(span).await;
    };

    /// What it had said yes to is on the replica; Redis promises no more, and less where it is not waited for.
    a_primary_that_dies_and_is_replaced: Outage, Proxied, ["--repl-diskless-sync-delay", "0"], async |scene: &mut Scene, span| {
        let replica = failover::replica_of(scene).await;
        failover::catch_up(scene, &replica).await;
        scene.begins();
        scene.server.kill();
        sleep(span).await;
        failover::promote(&replica).await;
        scene.proxy.lead_to(&replica);
        scene.keep(replica);
    };
}
