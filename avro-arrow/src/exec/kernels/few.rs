//! Where the bytes of a few varints are, for each set of the first twelve bytes that a varint goes on after.

/// Bytes that are looked at.
const BYTES: usize = 12;

/// For the first four varints, the number of each of their first four bytes, and 0x80 in place of those that they do
/// not have.
pub(super) static PLACES: [[u8; 16]; 1 << BYTES] = {
    let mut places = [[0x80; 16]; 1 << BYTES];
    let mut goes_on = 0;
    while goes_on < places.len() {
        let (mut at, mut nth, mut byte) = (0, 0, 0);
        while at < BYTES && nth < 4 && byte < 4 {
            places[goes_on][4 * nth + byte] = at as u8;
            byte += 1;
            if goes_on >> at & 1 == 0 {
                nth += 1;
                byte = 0;
            }
            at += 1;
        }
        goes_on += 1;
    }
    places
};

/// The bytes of the first one, two, three and four varints; 0 where there are fewer, or one of more than four bytes.
pub(super) static LENS: [[u8; 4]; 1 << BYTES] = {
    let mut lens = [[0; 4]; 1 << BYTES];
    let mut goes_on = 0;
    while goes_on < lens.len() {
        let (mut at, mut nth, mut byte) = (0, 0, 0);
        while at < BYTES && nth < 4 && byte < 4 {
            byte += 1;
            if goes_on >> at & 1 == 0 {
                lens[goes_on][nth] = at as u8 + 1;
                nth += 1;
                byte = 0;
            }
            at += 1;
        }
        goes_on += 1;
    }
    lens
};
