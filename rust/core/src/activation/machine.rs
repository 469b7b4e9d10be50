//! The state table: the next step for every phase and every event.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The phase of an apply, as the host recorded it in `phase`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The bundle is on the host; nothing was checked.
    Staged,
    /// Lease taken, plan still right, validators and package simulation passed on the merged tree.
    Validated,
    /// The present state is saved.
    Checkpointed,
    /// The dead-man timer runs: from here silence means rollback.
    Armed,
    /// Changing the host.
    Activating,
    /// All steps done; waits for confirm until the deadline.
    Activated,
    /// Confirmed: it is the new generation.
    Committed,
    /// Rolling back.
    RollingBack,
    /// Rolled back, and verified.
    RolledBack,
    /// The rollback failed, or could not be verified: a person is needed.
    RollbackFailed,
    /// Ended before anything was changed.
    Refused,
}

impl Phase {
    /// All phases in order.
    pub const ALL: [Self; 11] = [
        Self::Staged,
        Self::Validated,
        Self::Checkpointed,
        Self::Armed,
        Self::Activating,
        Self::Activated,
        Self::Committed,
        Self::RollingBack,
        Self::RolledBack,
        Self::RollbackFailed,
        Self::Refused,
    ];

    /// The word in the host's `phase` file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Staged => "staged",
            Self::Validated => "validated",
            Self::Checkpointed => "checkpointed",
            Self::Armed => "armed",
            Self::Activating => "activating",
            Self::Activated => "activated",
            Self::Committed => "committed",
            Self::RollingBack => "rolling-back",
            Self::RolledBack => "rolled-back",
            Self::RollbackFailed => "rollback-failed",
            Self::Refused => "refused",
        }
    }

    /// The phase called `word`.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.word() == word)
    }

    /// Whether only a person can continue from here.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Committed | Self::RolledBack | Self::RollbackFailed | Self::Refused
        )
    }

    /// Whether the host is, or may be, changed.
    pub fn is_open(self) -> bool {
        matches!(
            self,
            Self::Armed
                | Self::Activating
                | Self::Activated
                | Self::RollingBack
                | Self::RollbackFailed
        )
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// Something happened. Past tense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// The controller called `start`.
    Started,
    /// Another apply held the lease, the plan was stale, or space or layout were not right.
    Obstructed,
    /// Lease taken, nothing stale, all validators passed.
    Validated,
    /// A validator or the package simulation failed.
    ValidationFailed,
    /// The checkpoint is on disk.
    Checkpointed,
    /// The checkpoint could not be written.
    CheckpointFailed,
    /// Timer and boot unit are active.
    Armed,
    /// Timer or boot unit could not be made active.
    ArmingFailed,
    /// The detached unit began.
    Launched,
    /// Every step of `apply.sh` succeeded and no unit failed that had not failed before.
    Activated,
    /// A step failed, or a unit failed that had not failed before.
    ActivationFailed,
    /// Reachable over a new connection and all gates passed.
    GatesPassed,
    /// Not reachable over a new connection, or a gate failed.
    GatesFailed,
    /// `confirm` with the right nonce, in time, same boot.
    Confirmed,
    /// `confirm` with a wrong nonce.
    ConfirmedWrongly,
    /// `confirm` with the right nonce after the deadline.
    ConfirmedTooLate,
    /// The dead-man timer elapsed.
    DeadlinePassed,
    /// The controller's connection broke.
    LinkLost,
    /// The host booted, or the process that worked on the apply is gone.
    Interrupted,
    /// `rollback` was called.
    RollbackRequested,
    /// Everything is as the checkpoint says.
    RolledBack,
    /// Something is not as the checkpoint says.
    RollbackFailed,
    /// Another apply was started with `--steal`.
    Stolen,
    /// `rollback --abandon` was called: a person takes the host as it is.
    Abandoned,
}

impl Event {
    /// All events.
    pub const ALL: [Self; 24] = [
        Self::Started,
        Self::Obstructed,
        Self::Validated,
        Self::ValidationFailed,
        Self::Checkpointed,
        Self::CheckpointFailed,
        Self::Armed,
        Self::ArmingFailed,
        Self::Launched,
        Self::Activated,
        Self::ActivationFailed,
        Self::GatesPassed,
        Self::GatesFailed,
        Self::Confirmed,
        Self::ConfirmedWrongly,
        Self::ConfirmedTooLate,
        Self::DeadlinePassed,
        Self::LinkLost,
        Self::Interrupted,
        Self::RollbackRequested,
        Self::RolledBack,
        Self::RollbackFailed,
        Self::Stolen,
        Self::Abandoned,
    ];
}

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// The controller.
    Controller,
    /// The host, by itself.
    Host,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Take the lease, look for staleness, run the validators.
    Validate,
    /// Save what is there.
    Checkpoint,
    /// Start the dead-man timer.
    Arm,
    /// Start the detached unit.
    Launch,
    /// Run `apply.sh`.
    Activate,
    /// Wait for confirm; the controller connects anew and checks the gates.
    AwaitConfirm,
    /// Call `confirm`.
    SendConfirm,
    /// Call `rollback`.
    RequestRollback,
    /// Make it the new generation, disarm, release the lease.
    Commit,
    /// Stop its process, run `rollback.sh`, verify.
    RollBack,
    /// Disarm and release the lease: the apply is over.
    Release,
    /// Keep the lease: a person has to look.
    CallForHelp,
    /// Connect again and ask for the status.
    Reconnect,
    /// Nothing to do: this is already the case.
    Nothing,
    /// Answer that this is not possible now; change nothing.
    Deny,
}

/// What follows on an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Who acts.
    pub actor: Actor,
    /// What is done.
    pub action: Action,
    /// The phase that is recorded before it is done.
    pub phase: Phase,
}

/// The step for `event` in `phase`. Total: what makes no sense is denied and changes nothing.
pub fn next(phase: Phase, event: Event) -> Step {
    use Action as A;
    use Event as E;
    use Phase as P;

    let host = |action, phase| Step {
        actor: Actor::Host,
        action,
        phase,
    };
    let controller = |action| Step {
        actor: Actor::Controller,
        action,
        phase,
    };

    match (phase, event) {
        // The successful path, as the host takes it.
        (P::Staged, E::Started) => host(A::Validate, P::Staged),
        (P::Staged, E::Validated) => host(A::Checkpoint, P::Validated),
        (P::Validated, E::Checkpointed) => host(A::Arm, P::Checkpointed),
        (P::Checkpointed, E::Armed) => host(A::Launch, P::Armed),
        (P::Armed, E::Launched) => host(A::Activate, P::Activating),
        (P::Activating, E::Activated) => host(A::AwaitConfirm, P::Activated),
        // (A commit that was cut off is completed.)
        (P::Activated, E::Confirmed) | (P::Committed, E::Interrupted) => {
            host(A::Commit, P::Committed)
        }

        // Nothing was changed yet: any failure only releases the lease.
        (P::Staged, E::Obstructed | E::ValidationFailed)
        | (P::Validated, E::CheckpointFailed)
        | (P::Checkpointed, E::ArmingFailed)
        | (
            P::Staged | P::Validated | P::Checkpointed,
            E::Interrupted | E::RollbackRequested | E::Stolen,
        ) => host(A::Release, P::Refused),

        // The controller's part.
        (P::Activated, E::GatesPassed) => controller(A::SendConfirm),
        (P::Activated, E::GatesFailed) => controller(A::RequestRollback),
        (_, E::LinkLost) if phase.is_final() => controller(A::Nothing),
        (_, E::LinkLost) => controller(A::Reconnect),

        // From arming on, everything but a confirm in time rolls back.
        (P::Activating, E::ActivationFailed)
        | (P::Activated, E::ConfirmedTooLate)
        | (P::Armed | P::Activating | P::Activated, E::DeadlinePassed | E::Interrupted)
        | (
            P::Armed | P::Activating | P::Activated | P::RollbackFailed,
            E::RollbackRequested | E::Stolen,
        ) => host(A::RollBack, P::RollingBack),
        // A rollback that was cut off starts again from its first line.
        (P::RollingBack, E::Interrupted | E::RollbackRequested | E::Stolen | E::DeadlinePassed) => {
            host(A::RollBack, P::RollingBack)
        }
        (P::RollingBack, E::RolledBack) | (P::RollbackFailed, E::Abandoned) => {
            host(A::Release, P::RolledBack)
        }
        (P::RollingBack, E::RollbackFailed) => host(A::CallForHelp, P::RollbackFailed),
        _ if repeats(phase, event) => host(A::Nothing, phase),
        _ => host(A::Deny, phase),
    }
}

/// Whether the event repeats what already happened.
fn repeats(phase: Phase, event: Event) -> bool {
    use Event as E;
    use Phase as P;

    match phase {
        P::Committed => matches!(
            event,
            E::Confirmed
                | E::ConfirmedWrongly
                | E::ConfirmedTooLate
                | E::DeadlinePassed
                | E::Stolen
        ),
        P::RolledBack | P::Refused => matches!(
            event,
            E::RollbackRequested | E::Abandoned | E::DeadlinePassed | E::Stolen | E::Interrupted
        ),
        P::RollbackFailed => matches!(event, E::DeadlinePassed | E::Interrupted),
        _ => false,
    }
}
