//! Dates as devices write them: in cookies, and in the header `Date`.

/// Days from the beginning of a year to that of each month, without leap days.
const DAYS_BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

/// Months by the beginning of their names.
const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// Seconds of a day.
const DAY: i64 = 86_400;

/// Seconds since 1970, of a date in any of the forms that are met; none of a text that is no date.
///
/// Source: RFC 6265, section 5.1.1.
pub(super) fn seconds(text: &str) -> Option<i64> {
    let is_delimiter = |letter: char| !letter.is_ascii_alphanumeric() && letter != ':';
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    for token in text.split(is_delimiter).filter(|token| !token.is_empty()) {
        if time.is_none() && token.contains(':') {
            time = Some(time_of_day(token)?);
        } else if day.is_none() && token.len() <= 2 && number(token).is_some() {
            day = number(token);
        } else if month.is_none() && month_of(token).is_some() {
            month = month_of(token);
        } else if year.is_none() && (2..=4).contains(&token.len()) {
            year = number(token).or(year);
        }
    }
    let (day, month) = (day.filter(|day| (1..=31).contains(day))?, month?);
    let year = match year? {
        year @ 70..=99 => year + 1900,
        year @ 0..=69 => year + 2000,
        year => year,
    };
    // Before the Gregorian calendar nobody set cookies.
    if year < 1601 {
        return None;
    }
    let before = DAYS_BEFORE.get(month)?;
    let leaps = |year: i64| year / 4 - year / 100 + year / 400;
    let is_leap = leaps(year) != leaps(year - 1);
    let leap_day = i64::from(is_leap && 1 < month);
    let days = (year - 1970) * 365 + leaps(year - 1) - leaps(1969) + before + leap_day + day - 1;
    Some(days * DAY + time?)
}

fn number(token: &str) -> Option<i64> {
    if token.bytes().all(|byte| byte.is_ascii_digit()) { token.parse().ok() } else { None }
}

fn month_of(token: &str) -> Option<usize> {
    let begin = token.get(..3)?.to_ascii_lowercase();
    MONTHS.iter().position(|month| *month == begin)
}

/// Seconds since midnight.
fn time_of_day(token: &str) -> Option<i64> {
    let mut parts = token.split(':').map(number);
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    (hour < 24 && minute < 60 && second < 61 && parts.next().is_none())
        .then_some(hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_all_their_forms() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "06 NOVEMBER 1994 08:49:37",
        ] {
            assert_eq!(seconds(text), Some(784_111_777), "{text}");
        }
    }

    #[test]
    fn leap_days_count() {
        assert_eq!(seconds("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(seconds("Tue, 29 Feb 2000 12:00:00 GMT"), Some(951_825_600));
        assert_eq!(seconds("Wed, 01 Mar 2000 00:00:00 GMT"), Some(951_868_800));
        assert_eq!(seconds("Fri, 31 Dec 2100 23:59:59 GMT"), Some(4_133_980_799));
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in
            ["", "0", "-1", "Session", "Sun, 06 Nov 1994", "06 Nov 1994 25:00:00", "32 Nov 1994 08:49:37"]
        {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
