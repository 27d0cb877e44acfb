//! One question per file: see the `[[example]]` targets.
