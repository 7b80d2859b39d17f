//! Numbers against an exact reading of their decimal digits.

use std::cmp::Ordering;

use proptest::prelude::*;

use super::Number;

const LARGEST: u64 = 1 << 53;

fn read(raw: &str) -> Option<f64> {
    Number { raw }.non_negative()
}

/// A natural number of any size, in limbs of 32 bits, the lowest first.
#[derive(Debug, Clone)]
struct Natural(Vec<u32>);

impl Natural {
    fn of(number: u64) -> Self {
        let high = u32::try_from(number >> 32).unwrap();
        let low = u32::try_from(number & u64::from(u32::MAX)).unwrap();
        Self(vec![low, high])
    }

    fn times_plus(&mut self, factor: u32, term: u32) {
        let mut carry = u64::from(term);
        for limb in &mut self.0 {
            let sum = u64::from(*limb) * u64::from(factor) + carry;
            *limb = u32::try_from(sum & u64::from(u32::MAX)).unwrap();
            carry = sum >> 32;
        }
        if carry > 0 {
            self.0.push(u32::try_from(carry).unwrap());
        }
    }

    fn scaled(mut self, twos: u32, tens: u32) -> Self {
        (0..twos).for_each(|_| self.times_plus(2, 0));
        (0..tens).for_each(|_| self.times_plus(10, 0));
        self
    }

    fn plus(mut self, other: &Self) -> Self {
        self.0.resize(self.0.len().max(other.0.len()) + 1, 0);
        let mut carry = 0;
        for (index, limb) in self.0.iter_mut().enumerate() {
            let sum = u64::from(*limb) + u64::from(*other.0.get(index).unwrap_or(&0)) + carry;
            *limb = u32::try_from(sum & u64::from(u32::MAX)).unwrap();
            carry = sum >> 32;
        }
        self
    }

    fn cmp(&self, other: &Self) -> Ordering {
        let length = self.0.len().max(other.0.len());
        let limb = |limbs: &[u32], index| limbs.get(index).copied().unwrap_or(0);
        (0..length)
            .rev()
            .map(|index| limb(&self.0, index).cmp(&limb(&other.0, index)))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }
}

/// The absolute value of a number text: `digits` times ten to the `exponent`.
struct Decimal {
    digits: Natural,
    exponent: i32,
}

impl Decimal {
    fn read(raw: &str) -> Self {
        let raw = raw.trim_start_matches('-').to_ascii_lowercase();
        let (mantissa, exponent) = raw.split_once('e').unwrap_or((&raw, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut digits = Natural::of(0);
        for digit in whole.chars().chain(fraction.chars()) {
            digits.times_plus(10, digit.to_digit(10).unwrap());
        }
        let exponent: i32 = exponent.parse().unwrap();
        Self {
            digits,
            exponent: exponent - i32::try_from(fraction.len()).unwrap(),
        }
    }

    /// Against `number / 2`.
    fn cmp_half(&self, number: u64) -> Ordering {
        let up = self.exponent.max(0).unsigned_abs();
        let down = self.exponent.min(0).unsigned_abs();
        let ours = self.digits.clone().scaled(1, up);
        ours.cmp(&Natural::of(number).scaled(0, down))
    }

    /// Whether no `f64` is nearer than `value`, which is 0 to 2^53 (half to even on a tie).
    fn rounds_to(&self, value: f64) -> bool {
        let bits = value.to_bits();
        let (fraction, power) = (bits & ((1 << 52) - 1), bits >> 52);
        let (mantissa, power) = match i32::try_from(power).unwrap() {
            0 => (fraction, -1074),
            power => (fraction | 1 << 52, power - 1075),
        };
        // Everything times ten to `tens` and two to `twos` is whole, quarters of a unit too.
        let tens = self.exponent.min(0).unsigned_abs();
        let twos = power.min(0).unsigned_abs() + 2;
        let lifted = power.max(0).unsigned_abs();
        let exact = self.digits.clone();
        let exact = exact.scaled(twos, self.exponent.max(0).unsigned_abs());
        let unit = lifted + twos - power.min(0).unsigned_abs();
        let read = Natural::of(mantissa).scaled(unit, tens);
        let half = Natural::of(1).scaled(unit - 1, tens);
        // Below a power of two the next `f64` is half as far away.
        let narrow = fraction == 0 && power > -1074;
        let below = if narrow {
            Natural::of(1).scaled(unit - 2, tens)
        } else {
            half.clone()
        };
        let within = |order: Ordering| order.is_lt() || (order.is_eq() && mantissa % 2 == 0);
        within(exact.cmp(&read.clone().plus(&half))) && within(read.cmp(&exact.plus(&below)))
    }
}

/// Holds our reading of `raw` against its exact value.
fn check(raw: &str) {
    let exact = Decimal::read(raw);
    let is_whole = raw.bytes().all(|byte| byte.is_ascii_digit());
    match read(raw) {
        Some(value) => {
            assert!(!raw.starts_with('-'), "{raw}");
            assert!(exact.cmp_half(2 * LARGEST).is_le(), "{raw} is beyond 2^53");
            assert!(value.is_finite() && value >= 0.0 && !value.is_sign_negative());
            assert!(exact.rounds_to(value), "{raw} was read as {value:e}");
        }
        None if raw.starts_with('-') => {}
        None if is_whole => assert!(exact.cmp_half(2 * LARGEST).is_gt(), "{raw}"),
        // Half a second before 2^53 a fraction would be rounded up to the bound.
        None => assert!(exact.cmp_half(2 * LARGEST - 1).is_ge(), "{raw}"),
    }
}

proptest! {
    #[test]
    fn every_number_is_read_as_the_nearest_f64_or_refused_for_its_size(
        raw in "-?(0|[1-9][0-9]{0,17})(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,2})?",
    ) {
        check(&raw);
    }

    #[test]
    fn numbers_with_extreme_exponents_are_no_exception(
        raw in "(0|[1-9][0-9]{0,3})(\\.[0-9]{1,3})?[eE][+-]?(0{0,3}[0-9]{1,3}|[12][0-9]{3})",
    ) {
        check(&raw);
    }

    #[test]
    fn numbers_about_the_largest_are_no_exception(
        offset in -3_i64..=3,
        fraction in "(\\.[0-9]{1,20}|\\.(49|5|50)0{0,20}[01]?|\\.[09]{1,30})?",
        exponent in "([eE][+-]?0{1,3})?",
    ) {
        let whole = i64::try_from(LARGEST).unwrap() + offset;
        check(&format!("{whole}{fraction}{exponent}"));
    }

    #[test]
    fn whole_numbers_up_to_the_largest_are_exact(number in 0..=LARGEST) {
        let value = read(&number.to_string()).unwrap();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // what is being tested
        let back = value as u64;
        prop_assert_eq!(back, number);
    }
}

#[test]
fn the_bounds_are_exact() {
    for raw in [
        "0",
        "0.0",
        "0e0",
        "0e999999999",
        "1e-400",
        "1e-999999999999999999999",
        "9007199254740991",
        "9007199254740992",
        "9007199254740991.4999999999999999999999",
        "9.007199254740991e15",
    ] {
        assert!(read(raw).is_some_and(f64::is_finite), "{raw}");
    }
    for raw in [
        "-0",
        "-1e-999",
        "9007199254740993",
        "9007199254740992.0000000001",
        // Written otherwise than as a whole number, the bound itself is out: nothing may be
        // rounded onto it.
        "9007199254740992.0",
        "9007199254740991.5",
        "1e16",
        "1e308",
        "1e309",
        "1e99999999999999999999",
    ] {
        assert_eq!(read(raw), None, "{raw}");
    }
}
