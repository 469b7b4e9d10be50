//! Checks across two hosts: the networks that they share, measured from both ends.
//!
//! A [`LinkCheck`] is a [`Check`] whose query one endpoint answers. Where it needs somebody to answer
//! at the other end (iperf3's server), it has a [`Server`] there, which the engine starts before and
//! stops after, whatever happens between; it also ends by itself, should nobody come to stop it.
//!
//! In order, and each only where those before it that it needs passed: route and MTU of either end,
//! a small ping, one of full size that may not be fragmented, throughput one way and the other, then
//! the inference servers of either host as the other sees them.

use super::Check;
use crate::inventory::Inventory;
use crate::inventory::text::Label;
use crate::name::HostName;
use crate::query::Query;

/// The word that stands for a concern in the results of link checks.
pub const CONCERN: &str = "link";

/// A check of a link: `from` asks, and `peer` is whom it asks about.
#[derive(Debug)]
pub struct LinkCheck {
    /// Which link.
    pub link: Label,
    /// Who answers the query.
    pub from: HostName,
    /// The other end.
    pub peer: HostName,
    /// What is asked and expected. Its id is `LINK/WHAT/FROM-to-PEER`.
    pub check: Check,
    /// What has to run on `peer` meanwhile.
    pub server: Option<Server>,
}

/// A program that runs on the other end while a check is made.
#[derive(Debug)]
pub struct Server {
    /// Starts it in the background and waits until it listens; it ends by itself some seconds after the
    /// check's deadline. Its standard output is what [`Self::stop`] gets as `$started`, one word.
    pub start: Query,
    /// Stops it; run whether or not the check was answered. Fails where something was left.
    pub stop: Query,
}

/// All checks of the links between hosts of `inventory`, in the order to make them.
pub fn checks(_inventory: &Inventory) -> Vec<LinkCheck> {
    Vec::new()
}
