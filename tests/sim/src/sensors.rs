//! The sensors of a simulated machine and the records that describe them.
//!
//! The set is thorough rather than plausible: every kind of record, every encoding of a name and of a number,
//! sensors without a reading, shared records, foreign owners.
//!
//! Source: IPMI 2.0, section 43.

/// A sensor as the BMC reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sensor {
    /// Unit of the BMC it belongs to.
    pub lun: u8,
    /// Its number there.
    pub number: u8,
    /// Its raw reading.
    pub reading: u8,
    /// Bit 7: events, bit 6: scanning, bit 5: reading not available.
    pub flags: u8,
    /// Its states, or the thresholds that are crossed.
    pub states: u16,
    /// Thresholds: which are readable, then lower and upper non-critical, critical, non-recoverable.
    pub thresholds: Option<[u8; 7]>,
}

/// All records and sensors of a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Sensor data records in order, each with its header.
    pub records: Vec<Vec<u8>>,
    /// What the sensors read.
    pub sensors: Vec<Sensor>,
}

/// How a name is written in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// "Unspecified", in practice ASCII.
    Unspecified,
    /// Digits, space, hyphen and point, two to a byte.
    BcdPlus,
    /// Capitals, digits and signs, four to three bytes.
    SixBit,
    /// ISO 8859-1.
    Latin1,
}

/// Scanned, with events.
const SCANNED: u8 = 0xC0;
/// Address of the BMC.
const BMC: u8 = 0x20;

/// Types of sensors.
mod kind {
    pub(super) const TEMPERATURE: u8 = 0x01;
    pub(super) const VOLTAGE: u8 = 0x02;
    pub(super) const FAN: u8 = 0x04;
    pub(super) const PROCESSOR: u8 = 0x07;
    pub(super) const POWER_SUPPLY: u8 = 0x08;
    pub(super) const OTHER: u8 = 0x0B;
    pub(super) const MEMORY: u8 = 0x0C;
    pub(super) const WATCHDOG: u8 = 0x23;
}

/// Base units.
mod unit {
    pub(super) const NONE: u8 = 0;
    pub(super) const CELSIUS: u8 = 1;
    pub(super) const VOLTS: u8 = 4;
    pub(super) const RPM: u8 = 18;
}

/// How a raw number becomes a value.
#[derive(Debug, Clone, Copy)]
struct Scale {
    /// 0 unsigned, 1 one's complement, 2 two's complement, 3 none.
    format: u8,
    percentage: bool,
    unit: u8,
    linearization: u8,
    m: i16,
    b: i16,
    /// Exponents of result and B.
    exponents: (i8, i8),
}

const PLAIN: Scale = Scale {
    format: 0,
    percentage: false,
    unit: unit::CELSIUS,
    linearization: 0,
    m: 1,
    b: 0,
    exponents: (0, 0),
};

/// Name, raw reading, linearization: `L(raw)`.
#[rustfmt::skip]
const LINEARIZED: [(&str, u8, u8); 11] = [
    ("Ln",      100, 1),
    ("Log10",   100, 2),
    ("Log2",    64,  3),
    ("Exp",     2,   4),
    ("Exp10",   2,   5),
    ("Exp2",    5,   6),
    ("Inverse", 4,   7),
    ("Square",  12,  8),
    ("Cube",    3,   9),
    ("Sqrt",    49,  10),
    ("Cbrt",    27,  11),
];

impl Inventory {
    /// One of everything.
    #[must_use]
    pub fn thorough() -> Self {
        let mut all = Self::default();
        all.ordinary();
        all.numbers();
        all.shared();
        all.odd();
        all
    }

    /// What any machine has.
    fn ordinary(&mut self) {
        let mut controller = vec![BMC, 0, 0, 0xBF, 0, 0, 0, 7, 1, 0];
        controller.extend(name(Encoding::Latin1, "farrier-sim"));
        self.record(0x12, controller);
        let limits = Some([0x3F, 5, 2, 0, 0x4B, 0x55, 0x60]);
        self.analog(0, 1, kind::TEMPERATURE, PLAIN, &name(Encoding::Latin1, "Board Temp"), 42, limits);
        let fan = Scale { unit: unit::RPM, m: 50, ..PLAIN };
        self.analog(0, 2, kind::FAN, fan, &name(Encoding::Latin1, "Fan1"), 96, None);
        let volts = Scale { unit: unit::VOLTS, m: 6, exponents: (-2, 0), ..PLAIN };
        self.analog(0, 3, kind::VOLTAGE, volts, &name(Encoding::SixBit, "P12V"), 201, None);
        let signed = Scale { format: 2, ..PLAIN };
        self.analog(0, 4, kind::TEMPERATURE, signed, &name(Encoding::Latin1, "Inlet Temp"), 0xFB, None);
        self.discrete(5, kind::POWER_SUPPLY, &name(Encoding::SixBit, "PSU1"), &[0x0001], (0, 0));
        self.analog(0, 6, kind::TEMPERATURE, PLAIN, &name(Encoding::Latin1, "Dead Temp"), 0, None);
        self.change(6, |sensor| sensor.flags = 0x80);
    }

    /// Every way to write a number, and every way to bend it.
    fn numbers(&mut self) {
        let margin = Scale { m: -1, b: 100, ..PLAIN };
        self.analog(0, 7, kind::TEMPERATURE, margin, &name(Encoding::Latin1, "Margin"), 30, None);
        let ones = Scale { format: 1, ..PLAIN };
        self.analog(0, 8, kind::TEMPERATURE, ones, &name(Encoding::Latin1, "Exhaust"), 0xFA, None);
        // 2 * 10 + 5 * 10^1, times 10^-1.
        let shifted = Scale { unit: unit::VOLTS, m: 2, b: 5, exponents: (-1, 1), ..PLAIN };
        self.analog(0, 9, kind::VOLTAGE, shifted, &name(Encoding::SixBit, "P7V"), 10, None);
        let load = Scale { percentage: true, unit: unit::NONE, ..PLAIN };
        self.analog(0, 10, kind::OTHER, load, &name(Encoding::Latin1, "Load"), 55, None);
        for (number, (text, reading, linearization)) in (11..).zip(LINEARIZED) {
            let scale = Scale { unit: unit::NONE, linearization, ..PLAIN };
            self.analog(0, number, kind::OTHER, scale, &name(Encoding::Latin1, text), reading, None);
        }
        let uneven = Scale { linearization: 0x70, unit: unit::NONE, ..PLAIN };
        self.analog(0, 22, kind::OTHER, uneven, &name(Encoding::Latin1, "Uneven"), 9, None);
    }

    /// Records that stand for several sensors.
    fn shared(&mut self) {
        // Three, numbered from 1; the second has failed.
        let states = [0x0040, 0x0041, 0x0040];
        self.discrete(40, kind::MEMORY, &name(Encoding::Latin1, "DIMM "), &states, (0, 1));
        // Two, lettered from A.
        self.discrete(43, kind::PROCESSOR, &name(Encoding::Latin1, "CPU "), &[0x0080, 0x0080], (1, 0));
    }

    /// What readers stumble over.
    fn odd(&mut self) {
        let mut event_only = vec![BMC, 0, 50, 7, 1, kind::WATCHDOG, 0x6F, 1, 0, 0, 0];
        event_only.extend(name(Encoding::Latin1, "Watchdog"));
        self.record(0x03, event_only);
        let mut fru = vec![BMC, 0, 0x80, 0, 0, 0x10, 0, 7, 1, 0];
        fru.extend(name(Encoding::Latin1, "Board FRU"));
        self.record(0x11, fru);
        self.record(0xC0, vec![0x57, 0x01, 0x00, 0xAA, 0xBB]);
        self.analog(0, 51, kind::TEMPERATURE, PLAIN, &name(Encoding::BcdPlus, "12-3.4"), 20, None);
        self.analog(0, 52, kind::TEMPERATURE, PLAIN, &name(Encoding::Unspecified, "Plain Name"), 21, None);
        self.analog(0, 53, kind::TEMPERATURE, PLAIN, &[0xC0], 22, None);
        // Number 1 of another controller, and of another unit of this one.
        self.full(0x2C, 0, 1, kind::TEMPERATURE, PLAIN, &name(Encoding::Latin1, "Foreign"), 0x3F);
        self.analog(1, 1, kind::TEMPERATURE, PLAIN, &name(Encoding::Latin1, "Unit One"), 77, None);
        self.analog(0, 54, kind::TEMPERATURE, PLAIN, &name(Encoding::Latin1, "Late Temp"), 33, None);
        self.change(54, |sensor| sensor.flags = SCANNED | 0x20);
        // A record without a sensor behind it.
        self.full(BMC, 0, 55, kind::TEMPERATURE, PLAIN, &name(Encoding::Latin1, "Gone"), 0);
        let formless = Scale { format: 3, ..PLAIN };
        self.analog(0, 56, kind::OTHER, formless, &name(Encoding::Latin1, "No Number"), 1, None);
    }

    #[expect(clippy::too_many_arguments, reason = "a row of a table")]
    fn analog(
        &mut self,
        lun: u8,
        number: u8,
        kind: u8,
        scale: Scale,
        name: &[u8],
        reading: u8,
        thresholds: Option<[u8; 7]>,
    ) {
        self.full(BMC, lun, number, kind, scale, name, thresholds.map_or(0, |_| 0x3F));
        self.sensors.push(Sensor { lun, number, reading, flags: SCANNED, states: 0, thresholds });
    }

    #[expect(clippy::too_many_arguments, reason = "a row of a table")]
    fn full(
        &mut self,
        owner: u8,
        lun: u8,
        number: u8,
        kind: u8,
        scale: Scale,
        name: &[u8],
        thresholds_readable: u8,
    ) {
        let low = |value: i16| value.to_le_bytes();
        let ([m_low, m_high], [b_low, b_high]) = (low(scale.m), low(scale.b));
        let (result, base) = scale.exponents;
        let nibble = |value: i8| value.to_le_bytes()[0] & 0x0F;
        let mut body = vec![owner, lun, number, 7, 1, 0x7F, 0x68, kind, 0x01];
        body.extend([0, 0, 0, 0, thresholds_readable, 0]);
        body.extend([scale.format << 6 | u8::from(scale.percentage), scale.unit, 0, scale.linearization]);
        body.extend([m_low, m_high << 6, b_low, b_high << 6, 0, nibble(result) << 4 | nibble(base)]);
        body.resize(42, 0);
        body.extend(name);
        self.record(0x01, body);
    }

    /// One compact record for as many sensors as there are states; `sharing` is the modifier's type and offset.
    fn discrete(&mut self, number: u8, kind: u8, name: &[u8], states: &[u16], sharing: (u8, u8)) {
        let mut body = vec![BMC, 0, number, 7, 1, 0x67, 0x40, kind, 0x6F];
        body.resize(15, 0);
        // No number, only states.
        body.extend([0xC0, 0, 0]);
        let (modifier, offset) = sharing;
        let share_count = if states.len() == 1 { 0 } else { u8::try_from(states.len()).unwrap_or_default() };
        body.extend([modifier << 4 | share_count, offset]);
        body.resize(26, 0);
        body.extend(name);
        self.record(0x02, body);
        for (number, states) in (number..).zip(states) {
            let (lun, flags, thresholds) = (0, SCANNED, None);
            self.sensors.push(Sensor { lun, number, reading: 0, flags, states: *states, thresholds });
        }
    }

    fn record(&mut self, kind: u8, body: Vec<u8>) {
        let id = u16::try_from(self.records.len() + 1).unwrap_or(u16::MAX);
        let mut record = id.to_le_bytes().to_vec();
        record.extend([0x51, kind, u8::try_from(body.len()).unwrap_or(u8::MAX)]);
        record.extend(body);
        self.records.push(record);
    }

    /// Changes the sensor of this number in the first unit of the BMC, if there is one.
    pub fn change(&mut self, number: u8, change: impl FnOnce(&mut Sensor)) {
        let found = self.sensors.iter_mut().find(|sensor| (sensor.lun, sensor.number) == (0, number));
        if let Some(sensor) = found {
            change(sensor);
        }
    }
}

/// Type and length byte, then the name.
#[must_use]
pub fn name(encoding: Encoding, text: &str) -> Vec<u8> {
    let (kind, bytes) = match encoding {
        Encoding::Unspecified => (0, text.as_bytes().to_vec()),
        Encoding::BcdPlus => (1, bcd_plus(text)),
        Encoding::SixBit => (2, six_bit(text)),
        Encoding::Latin1 => (3, text.as_bytes().to_vec()),
    };
    let mut name = vec![kind << 6 | u8::try_from(bytes.len()).unwrap_or_default() & 0x1F];
    name.extend(bytes);
    name
}

fn bcd_plus(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => byte - b'0',
        b'-' => 0xB,
        b'.' => 0xC,
        _ => 0xA,
    };
    text.as_bytes().chunks(2).map(|pair| pair.iter().fold(0, |byte, sign| byte << 4 | digit(*sign))).collect()
}

fn six_bit(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for group in text.as_bytes().chunks(4) {
        let bits =
            group.iter().rev().fold(0u32, |bits, sign| bits << 6 | u32::from(sign.wrapping_sub(0x20) & 0x3F));
        let size = (group.len() * 6).div_ceil(8);
        bytes.extend(bits.to_le_bytes().iter().take(size));
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_packed_as_published() {
        assert_eq!(name(Encoding::SixBit, "P12V"), [0x83, 0x70, 0x24, 0xD9]);
        assert_eq!(name(Encoding::BcdPlus, "12-3.4"), [0x43, 0x12, 0xB3, 0xC4]);
        assert_eq!(name(Encoding::Latin1, "Fan1"), [0xC4, b'F', b'a', b'n', b'1']);
    }

    #[test]
    fn records_say_how_long_they_are() {
        for record in Inventory::thorough().records {
            assert_eq!(usize::from(record[4]), record.len() - 5);
        }
    }

    #[test]
    fn every_sensor_is_there_once() {
        let mut numbers: Vec<_> =
            Inventory::thorough().sensors.iter().map(|sensor| (sensor.lun, sensor.number)).collect();
        let before = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();

        assert_eq!(numbers.len(), before);
    }
}
