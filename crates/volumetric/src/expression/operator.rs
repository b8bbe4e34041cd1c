//! Operators.

/// Operators on one operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unary {
    Plus,
    Minus,
    Invert,
}

impl Unary {
    pub(super) const fn sign(self) -> &'static str {
        match self {
            Self::Plus => "+",
            Self::Minus => "-",
            Self::Invert => "~",
        }
    }
}

/// Operators on two operands that give what the operands are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Remainder,
    Power,
    And,
    Or,
    Xor,
    ShiftLeft,
    ShiftRight,
}

impl Binary {
    pub(super) const fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::FloorDivide => "//",
            Self::Remainder => "%",
            Self::Power => "**",
            Self::And => "&",
            Self::Or => "|",
            Self::Xor => "^",
            Self::ShiftLeft => "<<",
            Self::ShiftRight => ">>",
        }
    }

    /// The operator, and how strongly it binds.
    pub(super) fn of(sign: &str) -> Option<(Self, u8)> {
        Some(match sign {
            "|" => (Self::Or, 6),
            "^" => (Self::Xor, 7),
            "&" => (Self::And, 8),
            "<<" => (Self::ShiftLeft, 9),
            ">>" => (Self::ShiftRight, 9),
            "+" => (Self::Add, 10),
            "-" => (Self::Subtract, 10),
            "*" => (Self::Multiply, 11),
            "/" => (Self::Divide, 11),
            "//" => (Self::FloorDivide, 11),
            "%" => (Self::Remainder, 11),
            "**" => (Self::Power, 13),
            _ => return None,
        })
    }

    /// Whether it works on bits, so that fractions have no place.
    pub(super) const fn is_bitwise(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Xor | Self::ShiftLeft | Self::ShiftRight)
    }
}

/// Comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Less,
    LessEqual,
    Equal,
    NotEqual,
    GreaterEqual,
    Greater,
}

impl Comparison {
    pub(super) const fn sign(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::GreaterEqual => ">=",
            Self::Greater => ">",
        }
    }

    pub(super) fn of(sign: &str) -> Option<Self> {
        const ALL: [Comparison; 6] = [
            Comparison::Less,
            Comparison::LessEqual,
            Comparison::Equal,
            Comparison::NotEqual,
            Comparison::GreaterEqual,
            Comparison::Greater,
        ];
        ALL.into_iter().find(|comparison| comparison.sign() == sign)
    }

    /// The same with the operands swapped.
    pub(super) const fn swapped(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessEqual => Self::GreaterEqual,
            Self::Equal => Self::Equal,
            Self::NotEqual => Self::NotEqual,
            Self::GreaterEqual => Self::LessEqual,
            Self::Greater => Self::Less,
        }
    }

    /// Whether it holds of two values.
    #[inline(always)]
    pub(super) fn holds<T: PartialOrd>(self, left: T, right: T) -> bool {
        match self {
            Self::Less => left < right,
            Self::LessEqual => left <= right,
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::GreaterEqual => left >= right,
            Self::Greater => left > right,
        }
    }
}
