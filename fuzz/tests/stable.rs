//! The targets on a stable compiler, without looking at what their code does: seeds, changed at random, for a time.
//!
//! `MCPVISOR_FUZZ_SECONDS` (10) each, from `MCPVISOR_FUZZ_SEED` (the clock if it is not set), which is printed. An input that fails is
//! written to `artifacts/TARGET/`, and so is one that takes long.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use mcpvisor_fuzz::TARGETS;

/// Longer than anything that is read at once.
const LONGEST: usize = 1 << 16;
/// Nothing of this size may take so long, on whatever machine.
const SLOW: Duration = Duration::from_secs(5);
/// Words that mean something to some target.
const WORDS: &[&str] = &[
    "\"jsonrpc\":\"2.0\"",
    "\"id\":",
    "\"method\":",
    "\"params\":{",
    "\"_meta\":{",
    "\"progressToken\":",
    "\"requestId\":",
    "\\u0000",
    "\\ud800",
    "null",
    "1e999",
    "-0",
    "[",
    "]",
    "{",
    "}",
    ",",
    "\"",
    "\\",
    "data: ",
    "event: endpoint\n",
    "id: 1\n",
    "retry: 5\n",
    "\r\n",
    "\n\n",
    "\r",
    "\u{feff}",
    ": ",
    "[backends.a]\n",
    "command = \"x\"\n",
    "url = \"http://h/\"\n",
    "${S}",
    "${S:-x}",
    "$${",
    "\"mcpServers\":{",
    "&a ",
    "*a",
    "<<: ",
    "/*",
    "//",
    "Host: localhost:1\n",
    "Origin: http://[::1]\n",
    "Mcp-Name: =?base64?",
    "?=",
    "Accept: */*;q=0\n",
    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n",
    "2026-07-28",
];

/// xorshift64*
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32;
        usize::try_from(number).unwrap_or(0) % bound.max(1)
    }
}

#[test]
fn the_targets_keep_their_promises() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seconds = number("MCPVISOR_FUZZ_SECONDS").unwrap_or(10);
    let clock =
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(1, |time| time.as_nanos() as u64);
    let seed = number("MCPVISOR_FUZZ_SEED").unwrap_or(clock);
    println!("MCPVISOR_FUZZ_SEED={seed}");
    std::panic::set_hook(Box::new(|_| {}));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut failures = Vec::new();
    for (name, check) in TARGETS {
        let mut corpus = Vec::new();
        for folder in ["seeds", "corpus"] {
            corpus.extend(files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(name)));
        }
        assert!(!corpus.is_empty(), "{name} has no seeds");
        let (start, mut runs, mut dice) = (Instant::now(), 0_u64, Dice(seed | 1));
        let mut inputs = corpus.clone().into_iter();
        while start.elapsed() < Duration::from_secs(seconds) {
            let input = inputs.next().unwrap_or_else(|| mutated(&corpus, &mut dice));
            let before = Instant::now();
            let outcome = catch_unwind(AssertUnwindSafe(|| check(&input)));
            runs += 1;
            if let Err(panic) = outcome {
                failures.push(format!("{name}: {}: {}", kept(folder, name, &input), text_of(&*panic)));
                break;
            }
            if before.elapsed() > SLOW {
                failures.push(format!("{name}: {}: took {:?}", kept(folder, name, &input), before.elapsed()));
                break;
            }
        }
        println!("{name}: {runs} runs from {} seeds", corpus.len());
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("a seed")).collect()
}

fn mutated(corpus: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut input = corpus[dice.below(corpus.len())].clone();
    for _ in 0..=dice.below(6) {
        let at = dice.below(input.len() + 1);
        let to = at + dice.below((input.len() - at).min(32) + 1);
        match dice.below(8) {
            0 => drop(input.splice(at..at, WORDS[dice.below(WORDS.len())].bytes())),
            1 => drop(input.splice(at..to, WORDS[dice.below(WORDS.len())].bytes())),
            2 => drop(input.drain(at..to)),
            3 => input.insert(at, u8::try_from(dice.below(256)).unwrap_or(0)),
            4 if at < input.len() => input[at] ^= 1 << dice.below(8),
            5 => {
                let most = if dice.below(50) == 0 { 2000 } else { 4 };
                let piece = input[at..to].repeat(dice.below(most));
                drop(input.splice(at..at, piece));
            }
            6 => {
                let other = &corpus[dice.below(corpus.len())];
                let from = dice.below(other.len() + 1);
                drop(input.splice(at.., other[from..].iter().copied()));
            }
            _ => {
                let piece = input[at..to].to_vec();
                let there = dice.below(input.len() + 1);
                drop(input.splice(there..there, piece));
            }
        }
        input.truncate(LONGEST);
    }
    input
}

fn kept(folder: &Path, name: &str, input: &[u8]) -> String {
    let folder = folder.join("artifacts").join(name);
    let file = folder.join(format!("stable-{}", input.len()));
    let written = fs::create_dir_all(&folder).and_then(|()| fs::write(&file, input));
    written.map_or_else(|_| format!("{:?}", String::from_utf8_lossy(input)), |()| file.display().to_string())
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}
