//! The questions to Python, asked of a real one with modules that stand in for the large ones.
#![expect(
    clippy::disallowed_methods,
    reason = "it makes environments and runs Python"
)]

use std::path::Path;
use std::process::Command;

use deployctl_checks::{Check, CheckResult, evaluate};
use deployctl_core::query::Section;
use tempfile::TempDir;

use crate::good::table;
use crate::host::checks_of;

const TORCH: &str = include_str!("python/good.py");

/// An environment without pip: its interpreter, what makes it one, and modules.
fn environment(modules: &[(&str, &str)]) -> TempDir {
    let asked = Command::new("python3")
        .args([
            "-c",
            "import os, sys; print(os.path.realpath(sys._base_executable), '%d.%d' % sys.version_info[:2])",
        ])
        .output()
        .expect("python3 is installed (apt-get install python3)");
    let told = String::from_utf8(asked.stdout).unwrap();
    let (python, version) = told.trim().split_once(' ').unwrap();
    let folder = TempDir::new().unwrap();
    let at = |path: &str| folder.path().join(path);
    let site = format!("lib/python{version}/site-packages");
    std::fs::create_dir_all(at("bin")).unwrap();
    std::fs::create_dir_all(at(&site)).unwrap();
    std::os::unix::fs::symlink(python, at("bin/python")).unwrap();
    let home = Path::new(python).parent().unwrap().display();
    std::fs::write(at("pyvenv.cfg"), format!("home = {home}\n")).unwrap();
    for (name, content) in modules {
        let path = at(&format!("{site}/{name}"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    folder
}

/// Files of a distribution `name` that brings `module`.
fn distribution(name: &str, version: &str, module: &str) -> [(String, String); 2] {
    let folder = format!("{}-{version}.dist-info", name.replace('-', "_"));
    let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n");
    [
        (format!("{folder}/METADATA"), metadata),
        (format!("{folder}/top_level.txt"), format!("{module}\n")),
    ]
}

/// Asks what `check` asks of /opt/vllm/current, of `environment`.
fn ask(check: &Check, environment: &Path) -> CheckResult {
    let folder = environment.to_str().unwrap();
    let command = check
        .query
        .command
        .replace("/opt/vllm/current", folder)
        // As many numbers as lists are good for.
        .replace("'2048'", "'40'");
    let output = Command::new("sh").args(["-c", &command]).output().unwrap();
    let clean = |bytes: Vec<u8>| {
        String::from_utf8(bytes)
            .unwrap()
            .replace(folder, "/opt/vllm/current")
            .into_bytes()
    };
    let section = Section {
        status: Some(output.status.code().unwrap_or(139)),
        stdout: clean(output.stdout),
        stderr: output.stderr,
        truncated: false,
    };
    evaluate(check, Some(&section))
}

fn check(id: &str) -> Check {
    checks_of("cuda")
        .into_iter()
        .find(|check| check.id == id)
        .unwrap()
}

#[test]
fn a_real_python_imports_what_is_there_and_says_what_is_not() {
    let mut files: Vec<(String, String)> = Vec::new();
    for (name, version, module) in [
        ("torch", "2.13.0", "torch"),
        ("vllm", "0.33.0+cu129", "vllm"),
    ] {
        files.extend(distribution(name, version, module));
    }
    files.push(("torch.py".to_owned(), TORCH.to_owned()));
    files.push((
        "vllm/vllm_flash_attn.py".to_owned(),
        "raise ImportError('a.so: undefined symbol: _ZN3c10')".to_owned(),
    ));
    files.push(("vllm/__init__.py".to_owned(), "import torch".to_owned()));
    let files: Vec<_> = files
        .iter()
        .map(|(n, c)| (n.as_str(), c.as_str()))
        .collect();
    let environment = environment(&files);
    let results: Vec<_> = checks_of("cuda")
        .iter()
        .filter(|check| check.query.id == "python/imports/vllm")
        .map(|check| {
            let mut result = ask(check, environment.path());
            if check.id.ends_with("interpreter") {
                // Which one it is differs from machine to machine.
                let words: Vec<&str> = result.evidence.split(' ').collect();
                result.evidence = format!("Python 3.N {} {}", words[2], words[3]);
            }
            result
        })
        .collect();
    insta::assert_snapshot!(table(&results), @"
    pass       python/vllm/interpreter
               expected: /opt/vllm/current is an environment of Python 3.10 or later
               found:    Python 3.N in /opt/vllm/current
    fail       python/vllm/import/bitsandbytes
               expected: imports bitsandbytes
               found:    ModuleNotFoundError: No module named 'bitsandbytes'
               hint:     not installed in this environment: uv pip sync from the lock
    pass       python/vllm/import/torch
               expected: imports torch
               found:    torch 2.13.0
    pass       python/vllm/import/vllm
               expected: imports vllm 0.33.0
               found:    vllm 0.33.0+cu129
    fail       python/vllm/import/vllm.vllm_flash_attn
               expected: imports vllm.vllm_flash_attn
               found:    ImportError: a.so: undefined symbol: _ZN3c10
               hint:     its native code was built against another PyTorch: reinstall it beside this one
    ");
    let compiled = environment
        .path()
        .join("lib")
        .read_dir()
        .unwrap()
        .flat_map(|entry| {
            entry
                .unwrap()
                .path()
                .join("site-packages")
                .read_dir()
                .unwrap()
        })
        .any(|entry| entry.unwrap().file_name() == "__pycache__");
    assert!(!compiled, "the question left compiled files behind");
}

#[test]
fn a_module_that_ends_python_is_told_from_those_behind_it() {
    let environment = environment(&[
        ("bitsandbytes.py", "import os; os.abort()"),
        ("torch.py", TORCH),
    ]);
    let dead = ask(
        &check("python/vllm/import/bitsandbytes"),
        environment.path(),
    );
    assert_eq!(dead.status.word(), "fail", "{dead:?}");
    assert!(dead.evidence.contains("ended Python"), "{dead:?}");
    let behind = ask(&check("python/vllm/import/torch"), environment.path());
    assert_eq!(behind.status.word(), "error", "{behind:?}");
}

#[test]
fn a_real_python_multiplies() {
    let good = environment(&[("torch.py", TORCH)]);
    let result = ask(&check("python/vllm/tensor"), good.path());
    assert_eq!(result.status.word(), "pass", "{result:?}");
    assert_eq!(result.measurements.len(), 3);
    assert_eq!(result.measurements[1].samples.len(), 10);

    let mut text = Vec::new();
    for (what, from, to) in [
        (
            "wrong",
            "return Matrix(self.rows)\n",
            "return Matrix([[a + 1 for a in row] for row in self.rows])\n",
        ),
        (
            "not finite",
            "return Matrix(self.rows)\n",
            "return Matrix([[float('nan')] * 40] * 40)\n",
        ),
        ("capability", "(8, 6)", "(7, 5)"),
        (
            "trouble",
            "init = synchronize = staticmethod(lambda *_: None)",
            "init = staticmethod(lambda: 1 / 0)",
        ),
        ("exit", "print(", "raise SystemExit("),
    ] {
        assert!(TORCH.contains(from), "{from}");
        let broken = environment(&[("torch.py", &TORCH.replace(from, to))]);
        let result = ask(&check("python/vllm/tensor"), broken.path());
        // Times differ from run to run.
        let found = result
            .evidence
            .split("off,")
            .next()
            .unwrap_or_default()
            .trim_end()
            .to_owned();
        text.push(format!("{what}: {}: {found}", result.status.word()));
    }
    insta::assert_snapshot!(text.join("\n"), @"
    wrong: fail: NVIDIA GeForce RTX 3090, capability 8.6, PyTorch 2.13.0+cu129 for CUDA 12.9: 1.000000
    not finite: fail: PyTorch 2.13.0+cu129: ArithmeticError: the product holds what is no finite number
    capability: fail: NVIDIA GeForce RTX 3090, capability 7.5, PyTorch 2.13.0+cu129 for CUDA 12.9: 0.000000
    trouble: fail: PyTorch 2.13.0+cu129: ZeroDivisionError: division by zero
    exit: fail: SystemExit: what a module says as it is imported
    ");
}

#[test]
fn another_interpreter_than_the_environments_own_is_seen() {
    let environment = environment(&[]);
    std::fs::remove_file(environment.path().join("pyvenv.cfg")).unwrap();
    let result = ask(&check("python/vllm/interpreter"), environment.path());
    assert_eq!(result.status.word(), "fail", "{result:?}");
    let nothing = TempDir::new().unwrap();
    let result = ask(&check("python/vllm/interpreter"), nothing.path());
    assert_eq!(result.evidence, "there is no such interpreter");
}
