use std::io::{Read, Write};

use super::*;

fn sealed(content: &[u8], recipients: &[Recipient]) -> Vec<u8> {
    let mut writer = seal(Vec::new(), recipients).unwrap();
    writer.write_all(content).unwrap();
    writer.finish().unwrap()
}

fn opened(file: &[u8], identity: &Identity) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    open(file, std::slice::from_ref(identity))?.read_to_end(&mut content)?;
    Ok(content)
}

#[test]
fn what_was_sealed_opens_again_at_every_length_around_a_chunk() {
    let identity = Identity::generate();
    let recipient = identity.recipient().unwrap();
    for length in [0, 1, 65_535, 65_536, 65_537, 131_072, 200_000] {
        let content: Vec<u8> = (0..length).map(|place| u8::try_from(place % 251).unwrap()).collect();
        let file = sealed(&content, std::slice::from_ref(&recipient));
        assert_eq!(opened(&file, &identity).unwrap(), content, "{length}");
    }
}

#[test]
fn every_recipient_opens_it_and_nobody_else() {
    let [a, b, other] = [(); 3].map(|()| Identity::generate());
    let file = sealed(b"content", &[a.recipient().unwrap(), b.recipient().unwrap()]);
    assert_eq!(opened(&file, &a).unwrap(), b"content");
    assert_eq!(opened(&file, &b).unwrap(), b"content");
    assert_eq!(opened(&file, &other).unwrap_err().kind(), io::ErrorKind::InvalidData);
}

#[test]
fn not_one_byte_can_be_changed_and_no_end_cut_off() {
    let identity = Identity::generate();
    let content = vec![7; 70_000];
    let file = sealed(&content, &[identity.recipient().unwrap()]);
    // All of the header, and some of the content.
    for place in (0..250).chain((250..file.len()).step_by(997)) {
        let mut changed = file.clone();
        changed[place] ^= 1;
        assert!(opened(&changed, &identity).is_err(), "{place}");
    }
    for length in [0, 10, 150, 200, file.len() - 70_000 / 2, file.len() - 1] {
        assert!(opened(&file[..length], &identity).is_err(), "{length}");
    }
    let first_chunk_only = file.len() - (70_000 - 65_536 + 16);
    assert!(opened(&file[..first_chunk_only], &identity).is_err(), "cut between two chunks");
    assert!(opened(&[file.as_slice(), b"more"].concat(), &identity).is_err());
}

#[test]
fn keys_read_back_as_they_were_written_and_mistyped_ones_are_found() {
    let identity = Identity::generate();
    let text = identity.secret_text();
    assert!(text.starts_with("AGE-SECRET-KEY-1") && text.len() == 74);
    assert_eq!(Identity::parse(&text).unwrap().0, identity.0);
    let recipient = identity.recipient().unwrap();
    let text = recipient.to_string();
    assert_eq!(Recipient::parse(&text), Some(recipient));
    for place in 4..text.len() {
        let mut mistyped = text.clone().into_bytes();
        mistyped[place] = if mistyped[place] == b'q' { b'p' } else { b'q' };
        assert_eq!(Recipient::parse(std::str::from_utf8(&mistyped).unwrap()), None, "{place}");
    }
    assert_eq!(Recipient::parse(&text[..text.len() - 1]), None);
    assert_eq!(Recipient::parse(&text.replacen('a', "A", 1)), None, "mixed case");
    assert!(Identity::parse(&text).is_none());
    assert!(Identity::parse_file("# comment only\n").is_none());
    assert!(!format!("{identity:?}").contains("SECRET-KEY"));
}

/// A pair that another implementation of age made.
#[test]
fn a_pair_of_another_implementation_belongs_together() {
    let identity = Identity::parse("AGE-SECRET-KEY-1XLS8V9YY2HKFFU3QWGHWC7CUTY9A08NSSZU8MAQHECDJC2E26EJQHS7AG7").unwrap();
    assert_eq!(identity.recipient().unwrap().to_string(), "age18nv85p4lm076rfe5nmkpk8vq66u3eql09ruxalxlfsxu86dlyq0sfgykj4");
}
