//! Words that may stand in some places only.

use super::Finding;
use super::rust::{Parts, lines_with, parts, without_tests};
use super::tree::File;

/// What a decision must not reach for, with what to do instead.
const NOT_IN_DECIDE: &[(&[&str], &str)] = &[
    (
        &["HashMap", "HashSet"],
        "its order differs from run to run; use BTreeMap, BTreeSet or a sorted Vec",
    ),
    (
        &[
            "Instant",
            "SystemTime",
            "Timestamp::now(",
            "Zoned::now(",
            "Day::today(",
        ],
        "a decision has no clock; take the time as an argument",
    ),
    (
        &["rand", "new_v4", "now_v7", "RandomState"],
        "a decision has no chance in it; take a seed or the identifiers as arguments",
    ),
    (
        &[
            "tokio",
            "sqlx",
            "async",
            "std::fs",
            "TcpStream",
            "TcpListener",
            "UdpSocket",
            "ToSocketAddrs",
            "std::env",
            "std::process",
            "std::thread",
            "println!",
            "eprintln!",
        ],
        "a decision does nothing; `engine` gathers before and acts after",
    ),
];

/// How SQL begins, in the capitals we write it in.
const SQL: &[(&str, &str)] = &[
    ("SELECT ", " FROM "),
    ("INSERT INTO ", ""),
    ("UPDATE ", " SET "),
    ("DELETE FROM ", ""),
    ("CREATE TABLE ", ""),
    ("ALTER TABLE ", ""),
    ("PRAGMA ", ""),
];

/// Checks every Rust file, and what must stand in no file at all.
pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        findings.extend(unfinished(file));
        if file.is("rs") {
            let parts = parts(&file.text);
            findings.extend(unsafe_code(file, &parts));
            findings.extend(sql(file, &parts));
            findings.extend(decisions(file, &parts));
            findings.extend(unfenced(file, &parts));
            findings.extend(opening(file));
        }
    }
    findings
}

/// Marks of unfinished work. They are put together here so that this file holds none.
fn unfinished(file: &File) -> Vec<Finding> {
    const CODE: &[&str] = &["rs", "sh", "js", "mjs", "ts", "css", "html", "toml", "sql"];
    if !CODE.iter().any(|extension| file.is(extension)) && file.path.extension().is_some() {
        return Vec::new();
    }
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("#[ig", "nore"),
        concat!("test.", "skip("),
        concat!("test.", "fixme("),
    ];
    marks
        .iter()
        .flat_map(|mark| lines_with(&file.text, mark))
        .map(|line| {
            Finding::new(
                &file.path,
                line,
                "unfinished: finish it, or leave it out and open an issue; a test that can't run here says so by failing",
            )
        })
        .collect()
}

fn unsafe_code(file: &File, parts: &Parts) -> Vec<Finding> {
    if file.below("crates/libvirt") {
        return Vec::new();
    }
    lines_with(&parts.code, "unsafe")
        .into_iter()
        .map(|line| Finding::new(&file.path, line, "only `crates/libvirt` has unsafe code"))
        .collect()
}

fn sql(file: &File, parts: &Parts) -> Vec<Finding> {
    if file.below("crates/store") || file.below("xtask") {
        return Vec::new();
    }
    parts
        .strings
        .iter()
        .filter(|(_, text)| {
            let text = text.trim_start();
            SQL.iter().any(|(start, then)| {
                text.strip_prefix(start)
                    .is_some_and(|rest| rest.contains(then))
            })
        })
        .map(|(line, _)| {
            Finding::new(
                &file.path,
                *line,
                "only `crates/store` has SQL; give it a function with a name there",
            )
        })
        .collect()
}

fn decisions(file: &File, parts: &Parts) -> Vec<Finding> {
    if !file.below("crates/decide/src") || file.path.ends_with("tests.rs") {
        return Vec::new();
    }
    let code = without_tests(&parts.code);
    let mut findings = Vec::new();
    for (words, instead) in NOT_IN_DECIDE {
        for word in *words {
            findings.extend(lines_with(code, word).into_iter().map(|line| {
                Finding::new(
                    &file.path,
                    line,
                    format!("`{word}` in a decision: {instead}"),
                )
            }));
        }
    }
    findings
}

/// What marks a file as part of a job's work.
const WORK: &[&str] = &["impl Work for ", "run: &Run", "run: &mut Run"];

/// A job writes only while its runner holds it.
fn unfenced(file: &File, parts: &Parts) -> Vec<Finding> {
    let (engine, jobs) = ("crates/engine/src", "crates/engine/src/jobs");
    let works = WORK.iter().any(|mark| parts.code.contains(mark));
    if !works || !file.below(engine) || file.below(jobs) {
        return Vec::new();
    }
    let code = parts.code.replace("run.begin()", "");
    lines_with(&code, "begin()")
        .into_iter()
        .map(|line| {
            Finding::new(
                &file.path,
                line,
                "a job's write that its fencing number does not guard: begin it with `run.begin()`, so that a runner that \
                 slept while another took over changes nothing; what is not the job's belongs to another file",
            )
        })
        .collect()
}

/// Every module of a crate opens with what it is for; a file of tests needs no more than its name.
fn opening(file: &File) -> Option<Finding> {
    let in_source = file.path.components().any(|part| part.as_os_str() == "src");
    let named_tests = file.path.ends_with("tests.rs")
        || file
            .path
            .components()
            .any(|part| part.as_os_str() == "tests");
    if !in_source || named_tests || file.text.trim_start().starts_with("//!") {
        return None;
    }
    Some(Finding::new(
        &file.path,
        1,
        "opens without a word; begin with `//!` and a sentence on what the module is for",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let file = File {
            path: path.into(),
            text: text.into(),
        };
        check(&[file]).into_iter().map(|f| f.text).collect()
    }

    #[test]
    fn sql_outside_the_store_is_found() {
        let text =
            "//! X.\nconst Q: &str = \"SELECT id FROM vms\";\nconst P: &str = \"SELECT a host\";";
        assert_eq!(found("crates/engine/src/a.rs", text).len(), 1);
        assert_eq!(found("crates/store/src/a.rs", text), [""; 0]);
    }

    #[test]
    fn a_clock_in_a_decision_is_found_but_not_in_its_tests() {
        let text = "//! X.\nfn f() { let t = SystemTime::now(); }\n#[cfg(test)]\nmod tests { use std::fs; }";
        let found = found("crates/decide/src/a.rs", text);
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("no clock"), "{found:?}");
    }

    #[test]
    fn unsafe_code_has_one_home() {
        let text = "//! X.\nfn f() { unsafe { g() } }";
        assert_eq!(found("crates/libvirt/src/a.rs", text), [""; 0]);
        assert_eq!(found("crates/server/src/a.rs", text).len(), 1);
    }

    #[test]
    fn a_job_writes_through_its_run() {
        let text =
            "//! X.\nasync fn f(run: &mut Run) { run.begin(); run.engine.store()\n.begin() }";
        assert_eq!(found("crates/engine/src/a.rs", text).len(), 1);
        assert_eq!(found("crates/engine/src/jobs/run.rs", text), [""; 0]);
        let ask = "//! X.\nasync fn ask(engine: &Engine) { engine.store().begin() }";
        assert_eq!(found("crates/engine/src/a.rs", ask), [""; 0]);
    }

    #[test]
    fn unfinished_work_and_silent_modules_are_found() {
        let reminder = format!("//! X.\n// {}: later", concat!("TO", "DO"));
        assert_eq!(found("crates/api/src/a.rs", &reminder).len(), 1);
        assert_eq!(found("crates/api/src/a.rs", "fn f() {}").len(), 1);
        assert_eq!(found("crates/api/tests/a.rs", "fn f() {}"), [""; 0]);
    }
}
