//! Bech32 (BIP 173), as age writes its keys: 32 bytes behind a name, with a checksum.

use zeroize::Zeroizing;

const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// Of the 32 bytes.
const SYMBOLS: usize = 52;
const CHECKSUM: usize = 6;

/// In lower case.
pub(super) fn encode(name: &str, bytes: &[u8; 32]) -> String {
    let mut symbols = Zeroizing::new(Vec::with_capacity(SYMBOLS + CHECKSUM));
    let (mut bits, mut held) = (0_u32, 0);
    for byte in bytes {
        bits = (bits << 8) | u32::from(*byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            symbols.push(low5(bits >> held));
        }
    }
    symbols.push(low5(bits << (5 - held)));
    let sum = checksum(name, symbols.iter().copied().chain([0; CHECKSUM])) ^ 1;
    symbols.extend((0..CHECKSUM).rev().map(|place| low5(sum >> (5 * place))));
    let text: String = symbols.iter().map(|symbol| char::from(ALPHABET[usize::from(*symbol)])).collect();
    format!("{name}1{text}")
}

/// In lower or upper case, not mixed. `None`: it is another kind of text, or was mistyped.
pub(super) fn decode(name: &str, text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let lower = Zeroizing::new(text.to_ascii_lowercase());
    if text != lower.as_str() && text != text.to_ascii_uppercase() {
        return None;
    }
    let data = lower.strip_prefix(name)?.strip_prefix('1')?;
    let place = |letter: u8| ALPHABET.iter().position(|known| *known == letter).and_then(|place| u8::try_from(place).ok());
    let symbols = Zeroizing::new(data.bytes().map(place).collect::<Option<Vec<u8>>>()?);
    if symbols.len() != SYMBOLS + CHECKSUM || checksum(name, symbols.iter().copied()) != 1 {
        return None;
    }
    let mut bytes = Zeroizing::new([0; 32]);
    let (mut bits, mut held, mut filled) = (0_u32, 0, 0);
    for symbol in &symbols[..SYMBOLS] {
        bits = (bits << 5) | u32::from(*symbol);
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes[filled] = u8::try_from((bits >> held) & 0xff).ok()?;
            filled += 1;
        }
    }
    // What is left over is padding, and zero: every key has one spelling.
    (bits & ((1 << held) - 1) == 0).then_some(bytes)
}

fn low5(bits: u32) -> u8 {
    u8::try_from(bits & 31).unwrap_or_default()
}

fn checksum(name: &str, symbols: impl Iterator<Item = u8>) -> u32 {
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let expanded = name.bytes().map(|byte| byte >> 5).chain([0]).chain(name.bytes().map(|byte| byte & 31));
    expanded.chain(symbols).fold(1, |sum, symbol| {
        let top = sum >> 25;
        let shifted = ((sum & 0x01ff_ffff) << 5) ^ u32::from(symbol);
        (0..5).filter(|bit| (top >> bit) & 1 == 1).fold(shifted, |sum, bit| sum ^ GENERATOR[bit])
    })
}
