package cn.xunyuan

import cn.xunyuan.walkthrough.walkthrough
import kotlin.test.assertEquals
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.junit.Test

/** The program of the README does what it says. */
class WalkthroughTest {
    @Test
    fun theReadmeRuns() = Branch().use { branch ->
        val directory = freshDirectory()
        runBlocking { withTimeout(60_000) { walkthrough(branch.invite("u.pt01"), directory.path, picture("branch").path) } }
        assertEquals(1, replicasIn(directory.path).size)
    }
}
