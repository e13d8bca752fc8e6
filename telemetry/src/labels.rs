//! How a series is named inside: by numbers, so that an event finds its series without looking at any text.

use crate::label::Label;

/// The label values of one series; unused places are empty.
pub type LabelValues = [&'static str; 3];

/// The value of one label.
pub(crate) trait LabelValue: Copy {
    /// What distinguishes it from the other values of its set.
    fn number(self) -> u8;
    fn text(self) -> &'static str;
}

/// The labels of a series, at most three: `()`, one value, or several.
pub(crate) trait LabelSet: Copy {
    /// What distinguishes the series from the others of its metric: one byte a label.
    fn key(self) -> u32;
    /// Asked only when the series begins.
    fn values(self) -> LabelValues;
}

/// A text that does not change while the process lives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verbatim(pub(crate) &'static str);

impl LabelValue for Label {
    fn number(self) -> u8 {
        self.index()
    }

    fn text(self) -> &'static str {
        self.as_str()
    }
}

impl LabelValue for Verbatim {
    fn number(self) -> u8 {
        0
    }

    fn text(self) -> &'static str {
        self.0
    }
}

impl LabelSet for () {
    fn key(self) -> u32 {
        0
    }

    fn values(self) -> LabelValues {
        [""; 3]
    }
}

impl<A: LabelValue> LabelSet for A {
    fn key(self) -> u32 {
        self.number().into()
    }

    fn values(self) -> LabelValues {
        [self.text(), "", ""]
    }
}

impl<A: LabelValue, B: LabelValue> LabelSet for (A, B) {
    fn key(self) -> u32 {
        u32::from_be_bytes([0, 0, self.0.number(), self.1.number()])
    }

    fn values(self) -> LabelValues {
        [self.0.text(), self.1.text(), ""]
    }
}

impl<A: LabelValue, B: LabelValue, C: LabelValue> LabelSet for (A, B, C) {
    fn key(self) -> u32 {
        u32::from_be_bytes([0, self.0.number(), self.1.number(), self.2.number()])
    }

    fn values(self) -> LabelValues {
        [self.0.text(), self.1.text(), self.2.text()]
    }
}
