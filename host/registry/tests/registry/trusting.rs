//! The trust policy: which rule is for a plugin, what it asks for, and what cannot be meant.

use std::fs;

use brewer_registry::{
    Digest, Policy, PrivateKey, Result,
    signature::{Finding, Form, Verdict},
};

struct Fixture {
    folder: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "b", "ops"] {
            let key = PrivateKey::generate("").unwrap().0.public().to_pem();
            fs::write(folder.path().join(format!("{name}.pub")), key).unwrap();
        }
        Self { folder }
    }

    fn policy(&self, default: &str, rules: &str) -> Result<Policy> {
        let keys = r#""a": { "file": "a.pub" }, "b": { "file": "b.pub" }, "ops": { "file": "ops.pub" }"#;
        self.file(&format!(r#"{{ "version": 1, "default": "{default}", "keys": {{ {keys} }}, "rules": [{rules}] }}"#))
    }

    fn file(&self, text: &str) -> Result<Policy> {
        let file = self.folder.path().join("trust.json");
        fs::write(&file, text).unwrap();
        Policy::read(&file)
    }
}

fn signed(names: &[&str]) -> Vec<Finding> {
    let found = |name: &&str| Finding { form: Form::Tag, verdict: Verdict::SignedBy((*name).to_owned()) };
    names.iter().map(found).collect()
}

#[test]
fn the_closest_rule_decides() {
    let fixture = Fixture::new();
    let here = Digest::of(b"here");
    let rules = format!(
        r#"{{ "scope": "ghcr.io/team/*", "any_of": ["a", "b"] }}, {{ "scope": "ghcr.io/team/prod/*", "all_of": ["a", "ops"] }},
           {{ "scope": "ghcr.io/team/two", "any_of": ["a", "b", "ops"], "minimum": 2 }},
           {{ "scope": "localhost:5000/*", "accept": "unsigned" }}, {{ "digest": "{here}", "accept": "unsigned" }}"#
    );
    let policy = fixture.policy("refuse", &rules).unwrap();
    let decide = |path: &str, names: &[&str]| {
        let reference = format!("oci://{path}:1").parse().unwrap();
        policy.decide(&reference, &[Digest::of(b"x")], &signed(names)).map_err(|error| error.to_string())
    };
    assert!(decide("ghcr.io/team/x", &["b"]).is_ok());
    assert!(decide("ghcr.io/team/prod/x", &["a", "ops", "b"]).is_ok());
    assert!(decide("localhost:5000/x", &[]).is_ok());
    assert!(decide("ghcr.io/team/two", &["a", "ops"]).is_ok());
    for (path, names, expected) in [
        ("ghcr.io/team/x", &[][..], "it is not signed; the rule ghcr.io/team/* asks for 1 of a, b"),
        ("ghcr.io/team/x", &["ops"][..], "signed by ops (cosign's tag); the rule ghcr.io/team/* asks for 1 of a, b"),
        ("ghcr.io/team/prod/x", &["a"][..], "the rule ghcr.io/team/prod/* asks for all of a, ops"),
        // Twice by one key is once.
        ("ghcr.io/team/two", &["a", "a"][..], "the rule ghcr.io/team/two asks for 2 of a, b, ops"),
        ("ghcr.io/teammate/x", &["a"][..], "its default is to refuse"),
        ("ghcr.io/team", &["a"][..], "its default is to refuse"),
    ] {
        let problem = decide(path, names).unwrap_err();
        assert!(problem.contains(expected), "{problem}");
    }
    let anywhere = "oci://a.b/c".parse().unwrap();
    assert!(policy.decide(&anywhere, &[here], &[]).is_ok());
    assert!(fixture.policy("accept", "").unwrap().decide(&anywhere, &[here], &[]).is_ok());
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let fixture = Fixture::new();
    let scope = r#""scope": "ghcr.io/team/*""#;
    for (rules, expected) in [
        (
            format!(r#"{{ {scope}, "any_of": ["a"] }}, {{ {scope}, "any_of": ["b"] }}"#),
            "rule 2: there is another rule for ghcr.io/team/*",
        ),
        (format!(r#"{{ {scope}, "any_of": ["c"] }}"#), "rule 1: there is no key `c`; the policy has: a, b, ops"),
        (format!(r#"{{ {scope} }}"#), "expected one of `any_of`"),
        (format!(r#"{{ {scope}, "any_of": ["a"], "all_of": ["b"] }}"#), "expected one of `any_of`"),
        (format!(r#"{{ {scope}, "any_of": ["a"], "minimum": 2 }}"#), "`minimum` is 2, of 1 keys"),
        (format!(r#"{{ {scope}, "all_of": [] }}"#), "at least one"),
        (format!(r#"{{ {scope}, "anyof": ["a"] }}"#), "unknown field `anyof`"),
        (r#"{ "scope": "team/*", "accept": "unsigned" }"#.to_owned(), "`team` is no host"),
        (r#"{ "scope": "ghcr.io/t*", "accept": "unsigned" }"#.to_owned(), "expected HOST/PATH or HOST/PATH/*"),
        (r#"{ "digest": "sha256:1", "accept": "unsigned" }"#.to_owned(), "is no sha256 digest"),
    ] {
        let problem = fixture.policy("refuse", &rules).unwrap_err().to_string();
        assert!(problem.contains("trust.json") && problem.contains(expected), "{problem}");
    }
    let refused = |text: &str| fixture.file(text).unwrap_err().to_string();
    assert!(refused(r#"{ "version": 2, "default": "accept" }"#).contains("has version 2; this Brewer knows 1"));
    assert!(refused(r#"{ "version": 1, "default": "maybe" }"#).contains("unknown variant `maybe`"));
    assert!(
        refused(r#"{ "version": 1, "default": "accept", "keys": { "x": { "file": "absent" } } }"#).contains("key `x`")
    );
    let twice =
        r#"{ "version": 1, "default": "accept", "keys": { "x": { "file": "a.pub" }, "y": { "file": "a.pub" } } }"#;
    assert!(refused(twice).contains("`x` and `y` are one key"));
}
