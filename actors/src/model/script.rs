//! What a scripted child will do, thrown before it starts.

use std::time::Duration;

use super::dice::Dice;
use crate::fault::FaultReason;

/// How much goes wrong with the children of a backend, in percent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Temper {
    /// The transport does not open.
    pub(super) stillborn: u64,
    /// `initialize` is not answered as it should be.
    pub(super) rude: u64,
    /// It ends by itself, some time.
    pub(super) mortal: u64,
    /// It does not read for a while.
    pub(super) deaf: u64,
    /// Something is odd about how a request is answered.
    pub(super) odd: u64,
}

pub(super) const GOOD: Temper = Temper { stillborn: 0, rude: 0, mortal: 0, deaf: 0, odd: 0 };
pub(super) const FAIR: Temper = Temper { stillborn: 2, rude: 3, mortal: 15, deaf: 15, odd: 35 };
pub(super) const MOODY: Temper = Temper { stillborn: 10, rude: 12, mortal: 50, deaf: 25, odd: 60 };
pub(super) const POOR: Temper = Temper { stillborn: 45, rude: 35, mortal: 60, deaf: 10, odd: 40 };

#[derive(Debug, Clone)]
pub(super) struct Script {
    /// Its own, whatever happens elsewhere: what it does with requests follows from it.
    pub(super) mark: u64,
    pub(super) opens: Opening,
    pub(super) hello: Hello,
    /// It ends by itself then.
    pub(super) end: Option<(Duration, Ending)>,
    /// It does not read from then, for so long.
    pub(super) deaf: Option<(Duration, Duration)>,
    /// What may wait meanwhile.
    pub(super) room: usize,
    /// Whether a child whose output has ended is waited for: a process has standard error, an open transport has not.
    pub(super) process: bool,
    /// From the order to close to its exit.
    pub(super) obeys: Duration,
    /// From a kill to its exit.
    pub(super) dies: Duration,
    /// From its exit until nothing of it is left.
    pub(super) lingers: Duration,
    pub(super) temper: Temper,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Opening {
    After(Duration),
    Fails { after: Duration, fatal: bool },
}

/// The answer to `initialize`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Hello {
    After(Duration),
    Error,
    NoVersion,
    /// Not the version that it spoke before.
    OtherVersion,
    Never,
    /// It ends instead.
    Dies(Ending),
}

/// How it ends.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ending {
    /// The exit is seen first, the end of its output so much later, or never.
    Exit { output: Option<Duration> },
    /// The end of its output is seen first, the exit so much later, or never.
    Output { exit: Option<Duration> },
    /// It says something that cannot be understood, and lives on.
    Broken(FaultReason),
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Deed {
    Answer(Duration),
    AnswerTwice(Duration),
    Error(Duration),
    Never,
    /// Progress so often, each after so long, and then the answer.
    Progress(u64, Duration),
    /// The client is asked something first.
    Ask(Duration),
    /// An answer to a request that nobody sent comes first.
    Stray(Duration),
    Die(Ending),
    AnswerAndDie(Ending),
    /// The link reports that this one request has failed.
    Fail,
    /// The link reports that the session is no longer known.
    Forget,
}

impl Script {
    pub(super) fn throw(dice: &mut Dice, temper: Temper) -> Self {
        let opens = match dice.chance(temper.stillborn) {
            true => Opening::Fails { after: dice.millis(0..30), fatal: dice.chance(15) },
            false => Opening::After(dice.millis(0..30)),
        };
        let hello = match dice.chance(temper.rude) {
            true => match dice.below(8) {
                0 | 1 => Hello::Error,
                2 => Hello::NoVersion,
                3 => Hello::OtherVersion,
                4 => Hello::Never,
                _ => Hello::Dies(Ending::throw(dice)),
            },
            false => Hello::After(dice.millis(0..60)),
        };
        let end = dice.chance(temper.mortal).then(|| (dice.millis(0..6000), Ending::throw(dice)));
        let deaf = dice.chance(temper.deaf).then(|| (dice.millis(0..2000), dice.millis(1..1200)));
        Self {
            mark: dice.throw(),
            opens,
            hello,
            end,
            deaf,
            room: dice.below(6) as usize,
            process: dice.chance(80),
            obeys: if dice.chance(70) { dice.millis(0..40) } else { Duration::from_millis(200) },
            dies: dice.millis(0..15),
            lingers: if dice.chance(70) { dice.millis(0..5) } else { dice.millis(5..200) },
            temper,
        }
    }

    pub(super) fn deed(dice: &mut Dice, temper: Temper) -> Deed {
        if !dice.chance(temper.odd) {
            return Deed::Answer(dice.millis(0..120));
        }
        match dice.below(20) {
            0 | 1 => Deed::AnswerTwice(dice.millis(0..200)),
            2 | 3 => Deed::Error(dice.millis(0..200)),
            4 | 5 => Deed::Never,
            6 | 7 => Deed::Progress(1 + dice.below(6), dice.millis(0..1500)),
            8 | 9 => Deed::Ask(dice.millis(0..100)),
            10 => Deed::Stray(dice.millis(0..50)),
            11 | 12 => Deed::Die(Ending::throw(dice)),
            13 => Deed::AnswerAndDie(Ending::throw(dice)),
            14 => Deed::Fail,
            15 => Deed::Forget,
            // Slow, up to beyond `timeouts.request`.
            _ => Deed::Answer(dice.millis(0..2500)),
        }
    }
}

impl Ending {
    fn throw(dice: &mut Dice) -> Self {
        let other = |dice: &mut Dice| dice.chance(70).then(|| dice.millis(0..40));
        match dice.below(5) {
            0..2 => Self::Exit { output: other(dice) },
            2..4 => Self::Output { exit: other(dice) },
            _ => Self::Broken(match dice.below(3) {
                0 => FaultReason::Protocol,
                1 => FaultReason::Oversize,
                _ => FaultReason::WriteStalled,
            }),
        }
    }
}
