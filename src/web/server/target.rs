//! Whether a request asks for something below a path, told from the bytes of its first line as they come.

/// How far the first line has been read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Target {
    #[default]
    Method,
    /// So many bytes of the path have come.
    Path(usize),
    Below,
    Elsewhere,
}

impl Target {
    /// Reads on. Once it is decided, further bytes cost nothing.
    #[must_use]
    pub(super) fn after(mut self, bytes: &[u8], path: &[u8]) -> Self {
        for byte in bytes {
            self = match (self, path) {
                (Self::Method, _) if *byte == b' ' => Self::Path(0),
                (Self::Method, _) => Self::Method,
                (Self::Path(read), path) => match path.get(read) {
                    Some(next) if next == byte => Self::Path(read + 1),
                    None if matches!(byte, b'/' | b'?' | b' ') => Self::Below,
                    _ => Self::Elsewhere,
                },
                (Self::Below | Self::Elsewhere, _) => break,
            };
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_recognized_whole_and_in_pieces() {
        let path = b"/auth/api/v1";
        for (line, below) in [
            ("GET /auth/api/v1/users HTTP/1.1\r\n", true),
            ("DELETE /auth/api/v1 HTTP/1.1\r\n", true),
            ("GET /auth/api/v1?limit=1", true),
            ("GET /auth/api/v10/users HTTP/1.1\r\n", false),
            ("GET /auth/api/v HTTP/1.1\r\n", false),
            ("GET /token?/auth/api/v1/ HTTP/1.1\r\n", false),
            ("GARBAGE\r\n", false),
            ("", false),
        ] {
            assert_eq!(Target::default().after(line.as_bytes(), path) == Target::Below, below, "{line:?}");
            let in_pieces = line.as_bytes().chunks(3).fold(Target::default(), |target, chunk| target.after(chunk, path));
            assert_eq!(in_pieces == Target::Below, below, "{line:?}");
        }
    }
}
