//! What an enemy with time may send: the gate is neither worn down nor misled.

mod mutants;
mod slow_crowd;
