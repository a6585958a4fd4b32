use proptest::prelude::*;

use super::*;

pub(crate) fn encode(value: &Value) -> Vec<u8> {
    let string = |bytes: &[u8]| [format!("{}:", bytes.len()).as_bytes(), bytes].concat();
    match value {
        Value::Integer(number) => format!("i{number}e").into_bytes(),
        Value::Bytes(bytes) => string(bytes),
        Value::List(items) => {
            let items: Vec<u8> = items.iter().flat_map(encode).collect();
            [b"l", items.as_slice(), b"e"].concat()
        }
        Value::Dictionary(entries) => {
            let entries: Vec<u8> =
                entries.iter().flat_map(|(key, value)| [string(key), encode(value)].concat()).collect();
            [b"d", entries.as_slice(), b"e"].concat()
        }
    }
}

fn values() -> impl Strategy<Value = Value> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..24);
    let leaf = prop_oneof![any::<i64>().prop_map(Value::Integer), bytes().prop_map(Value::Bytes)];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
            prop::collection::btree_map(bytes(), inner, 0..6).prop_map(Value::Dictionary),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(value in values()) {
        prop_assert_eq!(decode(&encode(&value)), Ok(value));
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_have_one_spelling(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(value) = decode(&bytes) {
            prop_assert_eq!(encode(&value), bytes);
        }
    }

    #[test]
    fn bytes_that_look_like_bencode_never_panic_and_have_one_spelling(text in "[ilde0-3:-]{0,40}") {
        if let Ok(value) = decode(text.as_bytes()) {
            prop_assert_eq!(encode(&value), text.as_bytes());
        }
    }
}

#[test]
fn every_kind_of_value() {
    let value = decode(b"d1:ai-3e1:bl4:spamee").unwrap();
    assert_eq!(value.get("a").and_then(Value::integer::<i64>), Some(-3));
    assert_eq!(value.get("a").and_then(Value::integer::<u32>), None);
    assert_eq!(value.get("b"), Some(&Value::List(vec![Value::Bytes(b"spam".to_vec())])));
    assert_eq!(value.get("c"), None);
}

#[test]
fn what_is_malformed_is_named_with_its_place() {
    for (input, seen) in [
        ("", "the input ends at byte 0"),
        ("<html>", "no value starts like this at byte 0"),
        ("i1e2:", "more bytes than one value at byte 3"),
        ("i-0e", "not a number at byte 0"),
        ("i03e", "not a number at byte 0"),
        ("ie", "not a number at byte 0"),
        ("i+1e", "not a number at byte 0"),
        ("i9223372036854775808e", "a number beyond 64 bits at byte 0"),
        ("i99999999999999999999999e", "a number without an end at byte 1"),
        ("5:spam", "a string longer than the input at byte 0"),
        ("18446744073709551615:", "a string longer than the input at byte 0"),
        ("04:spam", "not the length of a string at byte 0"),
        ("l4:spam", "the input ends at byte 7"),
        ("d1:bi1e1:ai2ee", "a key out of order at byte 7"),
        ("d1:ai1e1:ai2ee", "a key out of order at byte 7"),
        ("di1ei2ee", "a number without an end at byte 1"),
    ] {
        assert_eq!(decode(input.as_bytes()).unwrap_err().to_string(), seen, "{input}");
    }
}

#[test]
fn a_deep_nesting_is_refused() {
    let deep = |depth: usize| ["l".repeat(depth), "e".repeat(depth)].concat();
    assert!(decode(deep(17).as_bytes()).is_ok());
    assert_eq!(decode(deep(18).as_bytes()).unwrap_err().to_string(), "too deep a nesting at byte 17");
    assert!(decode("l".repeat(1_000_000).as_bytes()).is_err());
}
