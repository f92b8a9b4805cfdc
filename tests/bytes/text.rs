//! JSON as no library would write it.

use super::common::Dice;

const NUMBERS: [&str; 14] = [
    "0",
    "-0",
    "1.0",
    "-0.0",
    "1e400",
    "-1E+400",
    "1e-400",
    "1.50e2",
    "123456789012345678901234567890",
    "0.1",
    "9007199254740993",
    "-9223372036854775809",
    "18446744073709551616",
    "3.141592653589793238462643383279",
];
const PIECES: [&str; 20] = [
    "a",
    "id",
    "jsonrpc",
    "progressToken",
    "_meta",
    "\\u00e4",
    "ä",
    "\\ud83d\\ude00",
    "😀",
    "\\/",
    "/",
    "\\\\",
    "\\\"",
    "\\n",
    "\\r\\n",
    "\\u0000",
    "\\u2028",
    "\u{2028}",
    "\\b\\f\\t",
    "method\\\":\\\"ping",
];
const SPACES: [&str; 7] = ["", "", "", " ", "\t", "\n", "\r\n  "];

/// Makes it up, the same for the same seed.
pub struct Text(Dice);

impl Text {
    pub fn new(seed: u64) -> Self {
        println!("seed {seed}");
        Self(Dice::new(seed))
    }

    /// What the protocol allows as an id.
    pub fn id(&mut self) -> String {
        match self.below(3) {
            0 => self.string(),
            1 => self
                .one_of(&["0", "-1", "7", "9007199254740993", "123456789012345678901234567890"])
                .to_owned(),
            _ => self.below(1 << 40).to_string(),
        }
    }

    pub fn space(&mut self) -> &'static str {
        self.one_of(&SPACES)
    }

    /// An object with these members among others; a name may stand in it twice.
    pub fn object(&mut self, members: &[&str]) -> String {
        let depth = if self.below(20) == 0 { 300 } else { self.below(5) };
        self.members(members, depth)
    }

    fn members(&mut self, own: &[&str], depth: u64) -> String {
        let mut all: Vec<String> = own.iter().map(|&member| member.to_owned()).collect();
        // Deep rather than wide: what is nested far has one way down.
        for _ in 0..if depth > 8 { 1 } else { self.below(5) } {
            let (name, before, after) = (self.string(), self.space(), self.space());
            // What is spliced for a reason has tests of its own.
            let name = if name == "\"_meta\"" { "\"meta\"".to_owned() } else { name };
            let value = self.value(depth);
            let at = usize::try_from(self.below(all.len() as u64 + 1)).unwrap();
            all.insert(at, format!("{name}{before}:{after}{value}"));
        }
        format!("{{{}{}{}}}", self.space(), all.join(","), self.space())
    }

    fn value(&mut self, depth: u64) -> String {
        let kinds = if depth == 0 { 5 } else { 9 };
        match if depth > 8 { 5 + self.below(4) } else { self.below(kinds) } {
            0 | 1 => self.one_of(&NUMBERS).to_owned(),
            // Half of a character: nobody can read it, and it passes all the same.
            2 => ["\"\\ud800", self.string().get(1..).unwrap_or("\"")].concat(),
            3 => self.string(),
            4 => self.one_of(&["true", "false", "null", "{}", "[]", "\"\""]).to_owned(),
            5 | 6 => self.members(&[], depth - 1),
            _ => {
                let count = if depth > 8 { 1 } else { self.below(4) };
                let values: Vec<String> = (0..count).map(|_| self.value(depth - 1)).collect();
                format!("[{}{}{}]", self.space(), values.join(" , "), self.space())
            }
        }
    }

    fn string(&mut self) -> String {
        let pieces: String = (0..self.below(4)).map(|_| self.one_of(&PIECES)).collect();
        format!("\"{pieces}\"")
    }

    fn one_of(&mut self, all: &[&'static str]) -> &'static str {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0.below(bound)
    }
}
