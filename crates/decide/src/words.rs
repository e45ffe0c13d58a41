//! Figures in words.

/// A number with a comma between each three digits: `16,384`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Mebibytes: `4,096 MiB`.
pub fn mib(size: bellwether_model::MiB) -> String {
    format!("{} MiB", grouped(size.0))
}

/// Bytes as gibibytes with one digit, or as mebibytes where they are few: `1.5 GiB`.
pub fn bytes(count: u64) -> String {
    const GIB: u64 = 1 << 30;
    if count < GIB {
        return format!("{} MiB", grouped(count >> 20));
    }
    // Rounded down: what is free must never look larger than it is.
    let tenths = u128::from(count) * 10 / u128::from(GIB);
    let whole = grouped(u64::try_from(tenths / 10).unwrap_or(u64::MAX));
    match tenths % 10 {
        0 => format!("{whole} GiB"),
        tenth => format!("{whole}.{tenth} GiB"),
    }
}

/// `1 vCPU`, `2 vCPUs`.
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (16_384_000, "16,384,000"),
        ] {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(bytes(3 << 29), "1.5 GiB");
        assert_eq!(bytes((2 << 30) - 1), "1.9 GiB");
        assert_eq!(bytes(5 << 20), "5 MiB");
        assert_eq!(counted(1, "vCPU", "vCPUs"), "1 vCPU");
    }
}
