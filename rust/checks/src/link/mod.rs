//! Checks across two hosts: the networks that they share, measured from both ends.
//!
//! A [`LinkCheck`] is a [`Check`] whose query one endpoint answers. If it needs a server at the other
//! end (iperf3's), it has a [`Server`] there, which the engine starts before and always stops after;
//! the server also ends by itself if it is not stopped.
//!
//! In order, and each only where the one before it that it needs passed: address, MTU and route of
//! either end, a small ping, one of full size that may not be fragmented, throughput one way and the
//! other, then the servers of either host as the other sees them: those of concerns whose folders say so.
//!
//! ```text
//! address/A ─▶ route/A-to-B ─▶ ping/A-to-B ─▶ full-ping/A-to-B ─▶ throughput/A-to-B
//! mtu/A                                  └──▶ web-health/A-to-B ─▶ web-models/… ─▶ web-chat/…
//! ```

use deployctl_core::inventory::Inventory;
use deployctl_core::inventory::cluster::Link;
use deployctl_core::inventory::text::Label;
use deployctl_core::name::HostName;
use deployctl_core::query::Query;

use crate::Check;

mod end;
mod http;
mod interface;
mod ping;
mod server;
mod throughput;

pub(crate) use ping::MOST;

use end::{End, Line};

/// The word that replaces the concern in the results of link checks.
pub const CONCERN: &str = "link";

/// A check of a link: `from` asks about `peer`.
#[derive(Debug)]
pub struct LinkCheck {
    /// Which link.
    pub link: Label,
    /// Who answers the query.
    pub from: HostName,
    /// The other end.
    pub peer: HostName,
    /// What is asked and expected. Its id is `LINK/WHAT/HOST`, or `LINK/WHAT/ONE-to-OTHER`: the way that
    /// is looked at, which for throughput is that of the data, whoever asks.
    pub check: Check,
    /// The server that must run on `peer` meanwhile.
    pub server: Option<Server>,
}

/// A program that runs on the other end while a check is made.
#[derive(Debug)]
pub struct Server {
    /// Starts it in the background and waits until it listens; it ends by itself some seconds after the
    /// check's deadline. Its standard output, one word, is what the check's own query and [`Self::stop`]
    /// get as `$started`: the server's process, or why it did not start, which the check's judge reads.
    pub start: Query,
    /// Stops it; run whether or not the check was answered. Fails where something was left.
    pub stop: Query,
}

/// All checks of the links between hosts of `inventory`, in the order to make them.
pub fn checks(inventory: &Inventory) -> Vec<LinkCheck> {
    let links = &inventory.cluster().links;
    links
        .iter()
        .flat_map(|(name, link)| of_link(name, link, inventory))
        .collect()
}

fn of_link(name: &Label, facts: &Link, inventory: &Inventory) -> Vec<LinkCheck> {
    let line = Line { name, link: facts };
    let ends: Vec<End<'_>> = facts
        .endpoints
        .iter()
        .filter_map(|(host, endpoint)| End::new(host, endpoint, inventory))
        .collect();
    let mut all = Vec::new();
    let mut add = |from: &End<'_>, peer: &End<'_>, check: Check, server: Option<Server>| {
        all.push(LinkCheck {
            link: name.clone(),
            from: from.host.clone(),
            peer: peer.host.clone(),
            check,
            server,
        });
    };
    for end in &ends {
        let Some(peer) = ends.iter().find(|other| other.host != end.host) else {
            continue;
        };
        for check in interface::checks(&line, end) {
            add(end, peer, check, None);
        }
    }
    for (at, one) in ends.iter().enumerate() {
        for other in &ends[at + 1..] {
            let directions = [(one, other), (other, one)];
            for (from, peer) in directions {
                add(from, peer, interface::route(&line, from, peer), None);
            }
            for size in [ping::Size::Small, ping::Size::Full] {
                for (from, peer) in directions {
                    add(from, peer, ping::check(&line, from, peer, size), None);
                }
            }
            let (client, listener) = throughput::roles(one, other);
            for direction in [
                throughput::Direction::Forward,
                throughput::Direction::Reverse,
            ] {
                let check = throughput::check(&line, client, listener, direction);
                let server = server::server(&line, listener, &check);
                add(client, listener, check, Some(server));
            }
            for (from, peer) in directions {
                for check in http::checks(&line, from, peer, inventory.concerns()) {
                    add(from, peer, check, None);
                }
            }
        }
    }
    all
}
