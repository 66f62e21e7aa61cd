// What the programs here have in common.

/** What the Rust side of the test prepared. */
export function variable(name) {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set`)
  return value
}

/** Runs one requirement and says its name; the first that fails ends the program. */
export async function requirement(name, check) {
  try {
    const value = await check()
    console.log(`ok: ${name}`)
    return value
  } catch (error) {
    console.error(`FAILED: ${name}`)
    throw error
  }
}
