//! Server-sent events, as far as pokes need them: fields `event` and `data`, comments, blank lines.

/// Most bytes of one line; a longer one is no poke and is dropped.
const LINE_BYTES_MAX: usize = 16 * 1024;

/// One event as it was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ServerEvent {
    /// The `event` field; `message` where it is left out.
    pub(super) name: String,
    /// The `data` fields joined by line feeds.
    pub(super) data: String,
}

/// Reads a byte stream piece by piece, wherever the network cut it.
#[derive(Debug, Default)]
pub(super) struct EventReader {
    line: Vec<u8>,
    oversize: bool,
    after_return: bool,
    name: String,
    data: Option<String>,
}

impl EventReader {
    /// Takes the next bytes and hands on the events that they complete.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Vec<ServerEvent> {
        let mut events = Vec::new();
        for &byte in bytes {
            let pair = byte == b'\n' && self.after_return;
            self.after_return = byte == b'\r';
            match byte {
                _ if pair => {}
                b'\n' | b'\r' => events.extend(self.end_line()),
                _ if self.line.len() >= LINE_BYTES_MAX => self.oversize = true,
                _ => self.line.push(byte),
            }
        }
        events
    }

    fn end_line(&mut self) -> Option<ServerEvent> {
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
        if std::mem::take(&mut self.oversize) {
            return None;
        }
        if line.is_empty() {
            let name = std::mem::take(&mut self.name);
            let data = self.data.take()?;
            let name = if name.is_empty() { "message".to_owned() } else { name };
            return Some(ServerEvent { name, data });
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] =
        b": hello\n\nevent: poke\ndata: {\"scope\":\"pj.a/desk\",\"seq\":7}\n\nid: 3\ndata:a\r\ndata: b\r\n\r\n";

    #[test]
    fn events_are_read_and_comments_are_not() {
        let events = EventReader::default().take(STREAM);
        assert_eq!(events.len(), 2);
        assert_eq!(events[0].name, "poke");
        assert_eq!(events[0].data, r#"{"scope":"pj.a/desk","seq":7}"#);
        assert_eq!(events[1], ServerEvent { name: "message".into(), data: "a\nb".into() });
    }

    #[test]
    fn it_does_not_matter_where_the_network_cuts() {
        let whole = EventReader::default().take(STREAM);
        for size in 1..9 {
            let mut reader = EventReader::default();
            let pieces: Vec<ServerEvent> = STREAM.chunks(size).flat_map(|piece| reader.take(piece)).collect();
            assert_eq!(pieces, whole, "pieces of {size}");
        }
    }

    #[test]
    fn an_endless_line_is_dropped_and_the_next_event_read() {
        let mut bytes = vec![b'x'; LINE_BYTES_MAX * 2];
        bytes.extend(b"\n\ndata: ok\n\n");
        let events = EventReader::default().take(&bytes);
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].data, "ok");
    }
}
