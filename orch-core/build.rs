//! Packs what is large and seldom asked for: the published prices.

#[cfg(feature = "prices")]
fn main() -> std::io::Result<()> {
    const DATA: &str = "src/cost/published/prices.json";
    println!("cargo::rerun-if-changed={DATA}");
    let out = std::env::var_os("OUT_DIR").unwrap_or_default();
    // Deflate, at its best: no more than a second.
    let packed = miniz_oxide::deflate::compress_to_vec(&std::fs::read(DATA)?, 10);
    std::fs::write(std::path::Path::new(&out).join("prices.deflate"), packed)
}

#[cfg(not(feature = "prices"))]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
}
