//! Passes a password to sudo, and to no other program: it is written once, after sudo's prompt, and
//! nothing follows until a root shell has reported.

use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

use super::input::{Input, Signal};
use super::secret::{Password, Tried};

/// A sudo with our prompt asks again at once after a wrong password; this is how long it may look up
/// the account (LDAP, a second factor on a telephone).
const PATIENCE: Duration = Duration::from_secs(30);

/// A sudo with a custom prompt gives no sign that can be recognised. After this long a silence, standard
/// input is closed, which ends a sudo that waits for another password, and not one that is slow.
const SHORT_PATIENCE: Duration = Duration::from_secs(8);

/// How long sudo may still print after standard input has ended.
const LAST_WORDS: Duration = Duration::from_secs(4);

/// What became of the password.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Handover {
    /// sudo did not ask for it, or this run has no password.
    #[default]
    None,
    /// It led to a root shell.
    Taken,
    /// It did not.
    Refused(Refusal),
}

/// The sign that a password was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// sudo asked once more.
    AskedAgain,
    /// It was not: a shell came, but after standard input had been closed. Nothing ran, so it may be tried again.
    Late,
    /// Neither a shell nor an end came in time.
    Silence,
    /// sudo ended.
    Ended,
    /// Another connection of this run tried it before.
    Earlier,
}

impl Handover {
    /// How it was refused.
    pub(super) fn refusal(self) -> Option<Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::None | Self::Taken => None,
        }
    }
}

/// Writes the password when it is asked for, and the body when the shell is ready; without a password,
/// the body at once. Closes standard input in either case.
pub(super) async fn hand_over(
    stdin: impl AsyncWrite + Unpin,
    input: &Input<'_>,
    mut signals: Receiver<Signal>,
) -> Handover {
    let mut stdin = Some(stdin);
    let handover = match input.password {
        None => Handover::None,
        Some(password) => match signals.recv().await {
            None | Some(Signal::Ready) => Handover::None,
            Some(asked) => give(&mut stdin, password, &mut signals, asked).await,
        },
    };
    if handover.refusal().is_none()
        && let Some(stdin) = &mut stdin
    {
        input.body.write_to(stdin).await;
    }
    close(&mut stdin).await;
    if handover.refusal().is_some() {
        let _ = timeout(LAST_WORDS, async {
            while signals.recv().await.is_some() {}
        })
        .await;
    }
    handover
}

/// Drops standard input: a pipe's `shutdown` leaves it open, so that the other end would not see its end.
async fn close(stdin: &mut Option<impl AsyncWrite + Unpin>) {
    if let Some(mut stdin) = stdin.take() {
        let _ = stdin.shutdown().await;
    }
}

async fn give(
    stdin: &mut Option<impl AsyncWrite + Unpin>,
    password: &Password,
    signals: &mut Receiver<Signal>,
    asked: Signal,
) -> Handover {
    let mut tried = password.turn().await;
    if *tried == Tried::Refused {
        return Handover::Refused(Refusal::Earlier);
    }
    if let Some(stdin) = stdin {
        let _ = stdin.write_all(&password.line()).await;
        let _ = stdin.flush().await;
    }
    let patient = asked == Signal::Prompts || *tried == Tried::Taken;
    let refusal = if patient {
        outcome(signals, PATIENCE, asked == Signal::Prompts).await
    } else {
        outcome_by_silence(stdin, signals).await
    };
    *tried = match refusal {
        None | Some(Refusal::Late) => Tried::Taken,
        Some(_) => Tried::Refused,
    };
    refusal.map_or(Handover::Taken, Handover::Refused)
}

/// Waits for the effect of a password if sudo has not used our prompt so far.
async fn outcome_by_silence(
    stdin: &mut Option<impl AsyncWrite + Unpin>,
    signals: &mut Receiver<Signal>,
) -> Option<Refusal> {
    match outcome(signals, SHORT_PATIENCE, false).await {
        Some(Refusal::Silence) => {}
        outcome => return outcome,
    }
    close(stdin).await;
    Some(
        outcome(signals, PATIENCE, true)
            .await
            .unwrap_or(Refusal::Late),
    )
}

/// Waits for the effect of a password, with this patience after each signal. `prompted`: sudo used our prompt.
async fn outcome(
    signals: &mut Receiver<Signal>,
    patience: Duration,
    mut prompted: bool,
) -> Option<Refusal> {
    loop {
        let patience = if prompted { PATIENCE } else { patience };
        match timeout(patience, signals.recv()).await {
            Err(_) => return Some(Refusal::Silence),
            Ok(None) => return Some(Refusal::Ended),
            Ok(Some(Signal::Ready)) => return None,
            Ok(Some(Signal::Prompts)) if prompted => return Some(Refusal::AskedAgain),
            Ok(Some(Signal::Prompts)) => prompted = true,
            Ok(Some(Signal::Asks)) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;
    use tokio::sync::mpsc;

    use super::super::input::Body;
    use super::super::secret::Secret;
    use super::*;
    use crate::transport::input::Markers;

    /// What is written after these signals, and what became of the password.
    async fn written(password: &Password, said: Vec<Signal>) -> (String, Handover) {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        let (signal, signals) = mpsc::channel(16);
        for word in said {
            signal.send(word).await.unwrap();
        }
        drop(signal);
        let input = Input {
            markers: &Markers::new("x"),
            password: Some(password),
            body: Body::Bytes(b"id\n"),
        };
        let handover = hand_over(ours, &input, signals).await;
        let mut text = String::new();
        theirs.read_to_string(&mut text).await.unwrap();
        (text, handover)
    }

    fn password() -> Password {
        Password::new(Secret::new(b"word").unwrap())
    }

    #[tokio::test]
    async fn a_password_that_nobody_asks_for_is_not_written() {
        let (text, handover) = written(&password(), vec![Signal::Ready]).await;
        assert_eq!((text.as_str(), handover), ("id\n", Handover::None));
    }

    #[tokio::test]
    async fn it_is_written_once_whoever_says_that_it_is_asked_for() {
        for said in [
            vec![Signal::Asks, Signal::Prompts, Signal::Ready],
            vec![Signal::Prompts, Signal::Asks, Signal::Ready],
            vec![Signal::Prompts, Signal::Ready],
            vec![Signal::Asks, Signal::Ready],
        ] {
            let (text, handover) = written(&password(), said).await;
            assert_eq!((text.as_str(), handover), ("word\nid\n", Handover::Taken));
        }
    }

    #[tokio::test]
    async fn a_second_question_gets_neither_the_password_nor_the_script() {
        let password = password();
        let said = vec![Signal::Asks, Signal::Prompts, Signal::Prompts];
        let (text, handover) = written(&password, said).await;
        assert_eq!(
            (text.as_str(), handover.refusal()),
            ("word\n", Some(Refusal::AskedAgain))
        );
        let (text, handover) = written(&password, vec![Signal::Prompts]).await;
        assert_eq!(
            (text.as_str(), handover.refusal()),
            ("", Some(Refusal::Earlier))
        );
    }

    #[tokio::test]
    async fn the_end_of_sudo_is_an_answer() {
        let (text, handover) = written(&password(), vec![Signal::Asks]).await;
        assert_eq!(
            (text.as_str(), handover.refusal()),
            ("word\n", Some(Refusal::Ended))
        );
    }
}
