//! A request by HTTP, which a query can be instead of a command.

use serde::Deserialize;

use super::file::Phrase;
use crate::concern::expression::{Compiler, Expression};

/// A request that the host makes by curl, without root's own settings and past every proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Where to.
    pub url: Expression,
    /// How long it may take, in seconds.
    pub seconds: Expression,
    /// The Unix socket that it goes over; left out or none: by TCP.
    pub socket: Option<Expression>,
    /// The file on the host whose first line it shows as bearer; left out or none: it shows none.
    pub key_file: Option<Expression>,
    /// Whether it is made where that file has no key, too.
    pub asks_without_key: bool,
    /// What it posts, as JSON; left out or none: it gets.
    pub post: Option<Expression>,
    /// Whether the body of the answer is left out, which may be long.
    pub only_status: bool,
}

/// It as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestItem {
    url: Phrase,
    seconds: Phrase,
    socket: Option<Phrase>,
    key_file: Option<Phrase>,
    #[serde(default)]
    asks_without_key: bool,
    post: Option<Phrase>,
    #[serde(default)]
    only_status: bool,
}

impl RequestItem {
    pub(super) fn compile(self, roots: &[&str], compiler: &mut Compiler) -> Request {
        let mut expression = |it: &Phrase| compiler.expression(it, roots);
        Request {
            url: expression(&self.url),
            seconds: expression(&self.seconds),
            socket: self.socket.as_ref().map(&mut expression),
            key_file: self.key_file.as_ref().map(&mut expression),
            asks_without_key: self.asks_without_key,
            post: self.post.as_ref().map(&mut expression),
            only_status: self.only_status,
        }
    }
}
