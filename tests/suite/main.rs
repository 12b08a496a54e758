//! The suites that share one binary, because linking is slow: scenarios, properties, bad input,
//! golden bytes and real processes.

#[cfg(test)]
mod bad;
#[cfg(test)]
mod convergence;
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod definitions;
#[cfg(test)]
mod drafts;
#[cfg(test)]
mod encryption;
#[cfg(test)]
mod held;
#[cfg(test)]
mod imports;
#[cfg(test)]
mod long;
#[cfg(test)]
mod migrations;
#[cfg(test)]
mod mutants;
#[cfg(test)]
mod mutations;
#[cfg(test)]
mod photos;
#[cfg(test)]
mod poison;
#[cfg(test)]
mod processes;
#[cfg(test)]
mod programs;
#[cfg(test)]
mod repair;
#[cfg(test)]
mod reports;
#[cfg(test)]
mod rest;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod text;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod wire;
#[cfg(test)]
mod withdrawn;
