use proptest::prelude::*;
use serde_json::json;

use super::*;

fn labels(pairs: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    pairs.to_vec()
}

#[track_caller]
fn check(selector: &str, pairs: &[(&'static str, &'static str)], expected: bool) {
    let parsed = LabelSelector::parse(selector).unwrap();
    assert_eq!(parsed.matches(labels(pairs).as_slice()), expected, "{selector} {pairs:?}");
}

#[test]
fn label_selectors_match() {
    check("n=a", &[("n", "a")], true);
    check("n==a", &[("n", "b")], false);
    check("n!=a", &[], true);
    check("n!=a", &[("n", "a")], false);
    check("n in (a,c)", &[("n", "c")], true);
    check("n notin (a,b,c)", &[("n", "d")], true);
    check("n notin (a)", &[], true);
    check("even", &[("even", "0")], true);
    check("!even", &[("even", "0")], false);
    check("even=0,n=c", &[("even", "0"), ("n", "a")], false);
    check("", &[], true);
    check("n in ()", &[("n", "a")], false);
    check("n in (,)", &[("n", "")], true);
    check("n=", &[("n", "")], true);
    check("even>0", &[("even", "1")], true);
    check("even>0", &[("even", "x")], false);
    check("even<1", &[("even", "-3")], true);
    check("in in (in,notin)", &[("in", "notin")], true);
}

#[test]
fn label_selector_errors_are_kubernetes_own() {
    let error = |text: &str| LabelSelector::parse(text).unwrap_err();
    assert_eq!(error("a b"), "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt");
    assert_eq!(error("a in (b"), "unable to parse requirement: found '', expected: ',' or ')'");
    assert_eq!(
        error("-a=b"),
        "unable to parse requirement: <nil>: Invalid value: \"-a\": name part must consist of alphanumeric characters, \
         '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or \
         '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
    );
    assert_eq!(
        error(&format!("{}=x", "a".repeat(64))),
        format!(
            "unable to parse requirement: <nil>: Invalid value: \"{}\": name part must be no more than 63 bytes",
            "a".repeat(64)
        )
    );
    assert_eq!(
        error("n>a"),
        "unable to parse requirement: values[0]: Invalid value: \"a\": for 'Gt', 'Lt' operators, the value must be an \
         integer"
    );
    assert_eq!(error("a,,b"), "found ',', expected: identifier after ','");
    assert_eq!(error("=a"), "found '=', expected: !, identifier, or 'end of string'");
    assert_eq!(error("!a=b"), "found '=', expected: ',' or 'end of string'");
    assert!(error("a=b c").starts_with("found 'c'"));
}

#[test]
fn canonical_form_is_sorted() {
    let parsed = LabelSelector::parse("z notin (b, a), !k ,a.b/c==x,m>3").unwrap();
    assert_eq!(parsed.to_string(), "a.b/c==x,!k,m>3,z notin (a,b)");
    assert_eq!(parsed.exact("a.b/c"), Some("x"));
}

#[test]
fn selector_objects() {
    assert!(!LabelSelector::from_object(&json!(null)).unwrap().matches(&None::<&Map<String, Value>>));
    assert!(LabelSelector::from_object(&json!({})).unwrap().is_everything());
    let selector = json!({
        "matchLabels": {"a": "b"},
        "matchExpressions": [{"key": "c", "operator": "In", "values": ["x", "y"]}, {"key": "d", "operator": "Exists"}],
    });
    let parsed = LabelSelector::from_object(&selector).unwrap();
    assert_eq!(parsed.to_string(), "a=b,c in (x,y),d");
    assert!(parsed.matches_object(&json!({"metadata": {"labels": {"a": "b", "c": "y", "d": ""}}})));
    assert!(!parsed.matches_object(&json!({"metadata": {}})));
    assert_eq!(
        LabelSelector::from_object(&json!({"matchExpressions": [{"key": "a", "operator": "Foo"}]})).unwrap_err(),
        "\"Foo\" is not a valid label selector operator"
    );
    let errors = validate_object(
        &json!({"matchLabels": {"a": "b c"}, "matchExpressions": [
            {"key": "a", "operator": "In"},
            {"key": "a", "operator": "Exists", "values": ["b"]},
            {"key": "a", "operator": "Foo"},
        ]}),
        "spec.selector",
    );
    let fields: Vec<&str> = errors.iter().map(|e| e.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "spec.selector.matchLabels",
            "spec.selector.matchExpressions[0].values",
            "spec.selector.matchExpressions[1].values",
            "spec.selector.matchExpressions[2].operator",
        ]
    );
}

#[test]
fn field_selectors() {
    let selector = FieldSelector::parse("status.phase!=Running,metadata.name==a\\,b").unwrap();
    assert_eq!(selector.to_string(), "metadata.name=a\\,b,status.phase!=Running");
    assert_eq!(selector.exact("metadata.name"), Some("a,b"));
    assert!(selector.matches_pairs(&[("metadata.name", "a,b")]));
    assert!(!selector.matches_pairs(&[("metadata.name", "a,b"), ("status.phase", "Running")]));
    let error = |text: &str| FieldSelector::parse(text).unwrap_err();
    assert_eq!(error("nonsense"), "invalid selector: 'nonsense'; can't understand 'nonsense'");
    assert_eq!(error("metadata.name>5"), "invalid selector: 'metadata.name>5'; can't understand 'metadata.name>5'");
    assert_eq!(error("a=b\\c"), "invalid field selector: invalid escape sequence: \\c");
    assert_eq!(error("a=b=c"), "invalid field selector: unescaped character in value: 61");
}

#[test]
fn field_selectors_know_their_kinds() {
    let resources = crate::kinds::builtin_resources();
    let check = |group: &str, resource: &str, selector: &str| {
        let info = resources.iter().find(|r| r.gvr.group == group && r.gvr.resource == resource).unwrap();
        FieldSelector::parse(selector).unwrap().check(info)
    };
    assert_eq!(check("", "pods", "spec.nodeName=n,status.phase!=Running,metadata.namespace=a"), Ok(()));
    assert_eq!(check("", "pods", "spec.containers=x").unwrap_err(), "field label not supported: spec.containers");
    assert_eq!(
        check("", "nodes", "metadata.namespace=x").unwrap_err(),
        "field label not supported: metadata.namespace"
    );
    assert_eq!(
        check("", "configmaps", "data.a=b").unwrap_err(),
        "\"data.a\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
    );
    assert_eq!(check("apps", "deployments", "metadata.name=d"), Ok(()));
    let pods = resources.iter().find(|r| r.gvr.resource == "pods").unwrap();
    let pod =
        json!({"metadata": {"name": "p", "namespace": "n"}, "spec": {"nodeName": "x"}, "status": {"phase": "Running"}});
    let matches = |text: &str| FieldSelector::parse(text).unwrap().matches_object(&pod, pods);
    assert!(matches("spec.nodeName=x,metadata.name=p"));
    assert!(!matches("status.phase!=Running"));
}

proptest! {
    #[test]
    fn any_text_parses_or_fails(text in "\\PC*") {
        let _ = LabelSelector::parse(&text);
        let _ = FieldSelector::parse(&text);
    }

    #[test]
    fn selector_like_text_round_trips(text in "[a-c=!<>(), in]{0,24}") {
        if let Ok(parsed) = LabelSelector::parse(&text) {
            let printed = parsed.to_string();
            prop_assert_eq!(LabelSelector::parse(&printed).unwrap(), parsed);
        }
    }

    #[test]
    fn field_values_round_trip(field in "[a-z.]{1,8}", value in "\\PC{0,8}", negated: bool) {
        let operator = if negated { "!=" } else { "=" };
        let escaped: String = value.chars().flat_map(|c| match c {
            '\\' | ',' | '=' => vec!['\\', c],
            c => vec![c],
        }).collect();
        let text = format!("{field}{operator}{escaped}");
        let parsed = FieldSelector::parse(&text).unwrap();
        prop_assert_eq!(parsed.terms(), &[FieldTerm { field, value, negated }]);
        prop_assert_eq!(parsed.to_string(), text);
    }
}
