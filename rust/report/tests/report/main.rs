//! Pages and files that a report becomes.

#[cfg(test)]
mod any;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod html;
#[cfg(test)]
mod junit;
