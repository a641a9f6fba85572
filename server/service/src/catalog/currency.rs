//! Currencies and their minor units, after list one of ISO 4217 (www.six-group.com/en/products-services/financial-information/data-standards.html).
//!
//! The table is of January 2026. It omits the codes without a minor unit, such as `XAU` and `XXX`, because no product has
//! a price in them. It keeps `ANG` and `BGN`, which were withdrawn in 2025 and 2026.

/// Maximum amount of a price in minor units. JavaScript represents every amount up to it exactly.
pub(super) const MAX_AMOUNT: u64 = 999_999_999_999_999;

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
pub(crate) fn exponent(code: &str) -> Option<u8> {
    let has = |codes: &str| codes.split_whitespace().any(|known| known == code);
    CODES
        .iter()
        .find(|(_, codes)| has(codes))
        .map(|(exponent, _)| *exponent)
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
}
