use proptest::prelude::*;

use super::*;

fn code() -> impl Strategy<Value = Code> {
    prop_oneof![Just(Code::Ok), Just(Code::Lost), Just(Code::Config), Just(Code::Retry), Just(Code::Panicked)]
}

fn encoded(frame: Frame<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    frame.push(&mut out);
    out
}

proptest! {
    #[test]
    fn frames_come_out_as_they_went_in(
        id: u64, n: u64, count: u32, code in code(), text in ".{0,40}", other in ".{0,40}", level: u8,
        bytes in prop::collection::vec(any::<u8>(), 0..60), cut in 0usize..60,
    ) {
        let (text, other) = (text.as_str(), other.as_str());
        for frame in [
            Frame::Hello(text), Frame::Ready(text),
            Frame::Events { id, lost_before: n, count, events: &bytes },
            Frame::Ack { id, code, text }, Frame::Flush { id, within_ms: count }, Frame::Flushed { id, code, text },
            Frame::Health { id, code, text }, Frame::Log { level, text }, Frame::Shutdown { within_ms: count },
            Frame::Call { id, name: text, arguments: other }, Frame::Result { id, code, text },
        ] {
            let out = encoded(frame);
            prop_assert_eq!(Frame::first(&out), Ok(Some((frame, out.len()))));
            // More of the stream does not matter, and less of it is waited for.
            let longer = [&out[..], &bytes].concat();
            prop_assert_eq!(Frame::first(&longer), Ok(Some((frame, out.len()))));
            prop_assert_eq!(Frame::first(&out[..cut.min(out.len() - 1)]), Ok(None));
        }
        let mut split = events_header(id, n, count, bytes.len()).to_vec();
        prop_assert_eq!(read_events_header(&split), Some((id, count)));
        split.extend_from_slice(&bytes);
        prop_assert_eq!(split, encoded(Frame::Events { id, lost_before: n, count, events: &bytes }));
    }

    /// Whatever arrives, it is a frame, an error, or waited for.
    #[test]
    fn noise_is_never_trouble(mut bytes in prop::collection::vec(any::<u8>(), 0..200), short: bool) {
        if short && bytes.len() > 4 {
            let length = (bytes.len() as u32 - 4).to_le_bytes();
            bytes[..4].copy_from_slice(&length);
            bytes[4] %= 13;
        }
        if let Ok(Some((frame, length))) = Frame::first(&bytes) {
            prop_assert_eq!(&encoded(frame)[..], &bytes[..length]);
        }
    }
}

#[test]
fn what_can_never_be_a_frame_is_refused_before_it_is_received() {
    assert_eq!(Frame::first(&[0; 4]), Err(FrameError::Length(0)));
    assert_eq!(Frame::first(&u32::MAX.to_le_bytes()), Err(FrameError::Length(u32::MAX as usize)));
    assert_eq!(Frame::first(&[1, 0, 0, 0, 99]), Err(FrameError::Kind(99)));
    assert_eq!(Frame::first(&[1, 0, 0, 0, 9]), Err(FrameError::Content("end")));
}
