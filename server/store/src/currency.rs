//! Currencies and their minor units, after list one of ISO 4217 (www.six-group.com/en/products-services/financial-information/data-standards.html).
//!
//! The table is of January 2026. It omits the codes without a minor unit, such as `XAU` and `XXX`, because no product has
//! a price in them. It keeps `ANG` and `BGN`, which were withdrawn in 2025 and 2026.

/// Maximum amount of a price in minor units. JavaScript represents every amount up to it exactly.
pub const MAX_AMOUNT: u64 = 999_999_999_999_999;

/// Codes, grouped by the number of decimals of their minor unit.
const CODES: [(u8, &str); 4] = [
    (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
    (
        2,
        "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF \
         CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF \
         IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN \
         MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS \
         SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW \
         ZWG",
    ),
    (3, "BHD IQD JOD KWD LYD OMR TND"),
    (4, "CLF UYW"),
];

/// Number of decimals of a currency's minor unit, 0 to 4. `None` unless `code` is an ISO 4217 code in capitals.
pub fn exponent(code: &str) -> Option<u8> {
    let has = |codes: &str| codes.split_whitespace().any(|known| known == code);
    CODES
        .iter()
        .find(|(_, codes)| has(codes))
        .map(|(exponent, _)| *exponent)
}

/// Parses a decimal amount such as `12.34` into minor units of a currency, exactly.
///
/// A comma is a decimal separator if it is the only separator and one or two digits follow it. More decimals than the
/// currency has are allowed if they are zeros.
///
/// # Errors
/// A message without the key, if the text is not such an amount.
pub fn minor_units(text: &str, exponent: u8) -> Result<u64, String> {
    let text = text.trim();
    let (whole, fraction) = match (text.split_once('.'), text.split_once(',')) {
        (Some(parts), None) => parts,
        (None, Some((whole, fraction))) if (1..=2).contains(&fraction.len()) => (whole, fraction),
        (None, None) => (text, ""),
        _ => return Err(format!("`{text}` has an ambiguous separator; write it as 1234.56")),
    };
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) || (text.ends_with(['.', ','])) {
        return Err(format!("`{text}` is not an amount such as 1234.56"));
    }
    let kept = fraction.trim_end_matches('0');
    let decimals = usize::from(exponent);
    if kept.len() > decimals {
        return Err(format!(
            "`{text}` has more decimals than the currency, which has {exponent}"
        ));
    }
    let digits = format!("{whole}{kept:0<decimals$}");
    let amount = digits.parse::<u64>().ok().filter(|amount| *amount <= MAX_AMOUNT);
    amount.ok_or_else(|| format!("`{text}` is larger than {MAX_AMOUNT} minor units"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn only_iso_4217_codes_have_decimals() {
        for (code, expected) in [
            ("JPY", Some(0)),
            ("KRW", Some(0)),
            ("CNY", Some(2)),
            // Browsers show these without decimals, although their minor unit is a hundredth.
            ("HUF", Some(2)),
            ("IDR", Some(2)),
            ("ALL", Some(2)),
            ("IQD", Some(3)),
            ("KWD", Some(3)),
            ("CLF", Some(4)),
            ("cny", None),
            ("CNY ", None),
            ("RMB", None),
            ("RMB1", None),
            ("XXX", None),
            ("XAU", None),
            ("", None),
            ("CNY EUR", None),
        ] {
            assert_eq!(exponent(code), expected, "{code:?}");
        }
        let codes: Vec<&str> = CODES.iter().flat_map(|(_, codes)| codes.split_whitespace()).collect();
        assert!(
            codes
                .iter()
                .all(|code| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase()))
        );
        assert_eq!(
            codes.iter().collect::<BTreeSet<_>>().len(),
            codes.len(),
            "no code is listed twice"
        );
    }

    #[test]
    fn amounts_are_exact_or_refused() {
        for (text, exponent, expected) in [
            ("12.34", 2, Some(1234)),
            ("12", 2, Some(1200)),
            ("12.3", 2, Some(1230)),
            ("33.55", 2, Some(3355)),
            ("0.07", 2, Some(7)),
            ("12.340", 2, Some(1234)),
            ("12,34", 2, Some(1234)),
            ("12900", 0, Some(12_900)),
            ("12900.00", 0, Some(12_900)),
            ("12.9", 3, Some(12_900)),
            ("12.345", 2, None),
            ("12.5", 0, None),
            ("1,234", 2, None),
            ("1,234.50", 2, None),
            ("1.234,50", 2, None),
            ("1'234", 2, None),
            ("-1", 2, None),
            ("1e3", 2, None),
            ("12.", 2, None),
            (".5", 2, None),
            ("", 2, None),
            ("9999999999999999999999", 2, None),
        ] {
            assert_eq!(minor_units(text, exponent).ok(), expected, "{text:?}");
        }
    }
}
