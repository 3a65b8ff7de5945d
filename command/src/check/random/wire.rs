//! Messages between the process that compares and its child that runs kernels: numbers and bytes in order, each message
//! with its length before it.

use std::io::{self, Read, Write};

/// The longest message accepted: a longer one comes from a broken pipe or a broken child.
const LONGEST: u64 = 1 << 32;

/// A message being written.
#[derive(Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// Adds a number.
    pub fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    /// Adds numbers, as many as the reader knows there are.
    pub fn numbers(&mut self, numbers: impl IntoIterator<Item = u32>) {
        numbers.into_iter().for_each(|number| self.number(number.into()));
    }

    /// Adds bytes with their number before them.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// Adds items with their number before them.
    pub fn all<T>(&mut self, items: &[T], mut each: impl FnMut(&mut Writer, &T)) {
        self.number(items.len() as u64);
        items.iter().for_each(|item| each(self, item));
    }

    /// Sends the message.
    pub fn send(&self, to: &mut dyn Write) -> io::Result<()> {
        to.write_all(&(self.0.len() as u64).to_le_bytes())?;
        to.write_all(&self.0)?;
        to.flush()
    }
}

/// A message being read. Missing data reads as zero or empty: the sender is the same program.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads from the start of a message.
    pub fn new(message: &'a [u8]) -> Reader<'a> {
        Reader(message)
    }

    /// Takes a number.
    pub fn number(&mut self) -> u64 {
        let (first, rest) = self.0.split_at_checked(8).unwrap_or_default();
        self.0 = rest;
        first.try_into().map_or(0, u64::from_le_bytes)
    }

    /// Takes numbers.
    pub fn numbers<const N: usize>(&mut self) -> [u32; N] {
        std::array::from_fn(|_| self.number() as u32)
    }

    /// Takes bytes.
    pub fn bytes(&mut self) -> &'a [u8] {
        let count = self.number() as usize;
        let (first, rest) = self.0.split_at_checked(count).unwrap_or_default();
        self.0 = rest;
        first
    }

    /// Takes a text.
    pub fn text(&mut self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    /// Takes items.
    pub fn all<T>(&mut self, mut each: impl FnMut(&mut Reader<'a>) -> T) -> Vec<T> {
        let mut items = Vec::new();
        for _ in 0..self.number() {
            if self.0.is_empty() {
                break;
            }
            items.push(each(self));
        }
        items
    }
}

/// Waits for a message. Returns `None` if the other side has ended.
pub fn receive(from: &mut dyn Read) -> Option<Vec<u8>> {
    let mut length = [0; 8];
    from.read_exact(&mut length).ok()?;
    let length = u64::from_le_bytes(length);
    let mut message = Vec::new();
    from.take(length.min(LONGEST)).read_to_end(&mut message).ok()?;
    (message.len() as u64 == length).then_some(message)
}
