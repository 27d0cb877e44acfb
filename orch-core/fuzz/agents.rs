//! What the fuzz target `agents` does with one input. In a file of its own: `bodies.rs` also serves tests without the
//! feature.

use orch_core::Agents;

/// The program of an agent, as `--agent` gives it.
pub(crate) fn agents(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let Ok(agents) = Agents::default().with_flag(text) else { return };
    let (name, agent) = agents.iter().next().unwrap();
    assert!(!name.is_empty() && !agent.argv.is_empty());
    // Words that are quoted are the same words.
    let quoted: Vec<String> = agent.argv.iter().map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect();
    let again = Agents::default().with_flag(&format!("{name}={}", quoted.join(" "))).unwrap();
    assert_eq!(again.iter().next().unwrap().1.argv, agent.argv);
}
