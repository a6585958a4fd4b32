use super::*;

fn out(format: Format) -> Out {
    Out::new(Style { format, quiet: true, verbose: 0, color: false })
}

#[test]
fn a_result_is_masked_where_it_is_text_and_stays_a_document() {
    let out = out(Format::Json);
    out.mask_secret("6969");
    let document = serde_json::json!({ "6969": [6969, "at 6969"], "none": null });
    let masked = serde_json::json!({ "6969": [6969, "at ********"], "none": null });
    assert_eq!(out.masked_document(document), masked);
}

#[test]
fn another_format_is_refused_beside_json_alone() {
    assert!(out(Format::Text).refuse_beside_json("--report xml").is_ok());
    let refused = out(Format::Json).refuse_beside_json("--report xml").unwrap_err();
    assert_eq!(refused.code(), Code::Usage);
    assert_eq!(refused.message(), "--output-format json and --report xml exclude each other");
}

#[test]
fn a_path_is_one_word_in_a_command() {
    assert_eq!(shown_path(Path::new("/home/me/.ssh/id_ed25519")), "/home/me/.ssh/id_ed25519");
    assert_eq!(shown_path(Path::new("it's here")), r"'it'\''s here'");
}
