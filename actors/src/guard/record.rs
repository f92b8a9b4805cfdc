//! One line on the guard's pipe.

use std::fmt;

/// What the guard is told. Groups are named by the pid of their leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// `instance ID`: the markers of our children begin with this.
    Instance(String),
    /// `+ GROUP STARTED`: a group lives; its leader started that many clock ticks after boot.
    Remember { group: u32, started: u64 },
    /// `engine JSON`: containers run by this one.
    Engine(String),
    /// `- GROUP`: it does not.
    Forget { group: u32 },
    /// `bye`: nothing lives any more.
    Bye,
}

impl Record {
    /// `None` for what is no record, or only a part of one.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let line = line.strip_suffix('\n')?;
        if let Some(written) = line.strip_prefix("engine ") {
            return Some(Self::Engine(written.to_owned()));
        }
        let mut words = line.split(' ');
        let (what, first, second) = (words.next()?, words.next(), words.next());
        let record = match (what, first, second) {
            ("instance", Some(id), None) if is_instance(id) => Self::Instance(id.to_owned()),
            ("+", Some(group), Some(started)) => {
                Self::Remember { group: group.parse().ok()?, started: started.parse().ok()? }
            }
            ("-", Some(group), None) => Self::Forget { group: group.parse().ok()? },
            ("bye", None, None) => Self::Bye,
            _ => return None,
        };
        words.next().is_none().then_some(record)
    }
}

impl fmt::Display for Record {
    fn fmt(&self, line: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance(id) => writeln!(line, "instance {id}"),
            Self::Remember { group, started } => writeln!(line, "+ {group} {started}"),
            Self::Engine(written) => writeln!(line, "engine {written}"),
            Self::Forget { group } => writeln!(line, "- {group}"),
            Self::Bye => writeln!(line, "bye"),
        }
    }
}

/// Whether it can be the name of an instance: what is swept by it must never be everything.
pub(crate) fn is_instance(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this failed, the guard would not know a child, or end what it should not.
    #[test]
    fn reads_what_it_writes_and_nothing_else() {
        let instance = Record::Instance("00ff".into());
        let (remember, forget) = (Record::Remember { group: 7, started: 1_234 }, Record::Forget { group: 7 });
        let engine = Record::Engine("{\"a b\":1}".into());
        for record in [instance, remember, forget, engine, Record::Bye] {
            assert_eq!(Record::parse(&record.to_string()), Some(record));
        }
        for half in
            ["", "+ 7 12", "bye", "\n", "+ 7\n", "+ 7 x\n", "+ 7 1 1\n", "- -7\n", "instance \n", "bye 1\n"]
        {
            assert_eq!(Record::parse(half), None, "{half:?}");
        }
    }
}
