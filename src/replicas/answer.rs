//! What Redis answers, taken apart without trust: `None` is whatever was not expected.

use ::redis::Value;

/// One entry of a stream: its id, and names and values in turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) fields: Vec<Vec<u8>>,
}

pub(super) fn bytes(value: Value) -> Option<Vec<u8>> {
    if let Value::BulkString(bytes) = value {
        Some(bytes)
    } else {
        None
    }
}

pub(super) fn list(value: Value) -> Option<Vec<Value>> {
    if let Value::Array(elements) = value {
        Some(elements)
    } else {
        None
    }
}

pub(super) fn texts(value: Value) -> Option<Vec<Vec<u8>>> {
    list(value)?.into_iter().map(bytes).collect()
}

pub(super) fn integer(value: &Value) -> Option<i64> {
    if let Value::Int(number) = value {
        Some(*number)
    } else {
        None
    }
}

/// The answer to `XREAD` of one stream; nothing new is no entry.
pub(super) fn stream(value: Value) -> Option<Vec<Entry>> {
    if value == Value::Nil {
        return Some(Vec::new());
    }
    let [stream] = <[Value; 1]>::try_from(list(value)?).ok()?;
    let [_, found] = <[Value; 2]>::try_from(list(stream)?).ok()?;
    entries(found)
}

/// The answer to `XRANGE`.
pub(super) fn entries(value: Value) -> Option<Vec<Entry>> {
    list(value)?.into_iter().map(entry).collect()
}

fn entry(value: Value) -> Option<Entry> {
    let [id, fields] = <[Value; 2]>::try_from(list(value)?).ok()?;
    Some(Entry {
        id: stream_id(bytes(id)?)?,
        // Empty if it was deleted meanwhile.
        fields: if fields == Value::Nil {
            Vec::new()
        } else {
            texts(fields)?
        },
    })
}

/// Such as `1760000000000-0`.
pub(super) fn stream_id(bytes: Vec<u8>) -> Option<String> {
    let text = String::from_utf8(bytes).ok()?;
    let is_number = |part: &str| {
        part.parse::<u64>()
            .is_ok_and(|number| number.to_string() == part)
    };
    let (time, number) = text.split_once('-')?;
    (is_number(time) && is_number(number)).then_some(text)
}

/// The answer to `HSCAN`: where to go on, and names and values.
pub(super) fn scan(value: Value) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
    let [next, found] = <[Value; 2]>::try_from(list(value)?).ok()?;
    Some((bytes(next)?, texts(found)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn event(id: &str) -> Value {
        Value::Array(vec![
            bulk(id),
            Value::Array(vec![bulk("kind"), bulk("joined")]),
        ])
    }

    #[test]
    fn a_stream_is_taken_apart() {
        let answer = |entries: Vec<Value>| {
            Value::Array(vec![Value::Array(vec![
                bulk("imgate:events"),
                Value::Array(entries),
            ])])
        };
        let found = stream(answer(vec![event("1-0"), event("1-1")])).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[1].id, "1-1");
        assert_eq!(found[0].fields, [b"kind".to_vec(), b"joined".to_vec()]);
        assert_eq!(stream(Value::Nil), Some(Vec::new()));
        for other in [
            Value::Int(1),
            Value::Array(vec![]),
            answer(vec![event("1")]),
            answer(vec![event("01-0")]),
            answer(vec![event("1-x")]),
            answer(vec![bulk("1-0")]),
            answer(vec![Value::Array(vec![bulk("1-0"), Value::Int(2)])]),
        ] {
            assert_eq!(stream(other.clone()), None, "{other:?}");
        }
    }
}
